package dev.vesper.machine.spec;

/** An image that cannot be loaded; the message says what, where and how to mend it. */
public final class BootException extends Exception {
  private static final long serialVersionUID = 1;

  public BootException(String message) {
    super(message);
  }
}
