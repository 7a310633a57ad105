package dev.vesper.cli;

/** A line asks for nothing but what there is: the answer, in place of what the command does. */
final class Answered extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final String text;

  /**
   * @param text whole lines for stdout
   */
  Answered(String text) {
    super(text, null, false, false);
    this.text = text;
  }

  /** {@return whole lines for stdout} */
  String text() {
    return text;
  }
}
