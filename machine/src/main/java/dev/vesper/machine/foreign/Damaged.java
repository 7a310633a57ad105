package dev.vesper.machine.foreign;

/** A file is not what its format says; the message tells what is wrong, and where. */
public final class Damaged extends RuntimeException {
  private static final long serialVersionUID = 1;

  /**
   * @param message what is wrong, in words that follow the file's name
   */
  public Damaged(String message) {
    super(message, null, false, false);
  }
}
