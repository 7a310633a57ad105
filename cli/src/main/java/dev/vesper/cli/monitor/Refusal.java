package dev.vesper.cli.monitor;

/** A command cannot be done: why, in a line for who has typed it. */
final class Refusal extends Exception {
  private static final long serialVersionUID = 1;

  Refusal(String message) {
    super(message, null, false, false);
  }

  /** {@return the line} */
  String line() {
    return String.valueOf(getMessage());
  }
}
