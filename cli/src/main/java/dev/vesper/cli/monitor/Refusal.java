package dev.vesper.cli.monitor;

/** A command cannot be done: why, in a line for who has typed it. */
final class Refusal extends Exception {
  private static final long serialVersionUID = 1;

  private final boolean usage;

  Refusal(String message) {
    this(message, false);
  }

  private Refusal(String message, boolean usage) {
    super(message, null, false, false);
    this.usage = usage;
  }

  /** {@return one of what was typed, for which help may help} */
  static Refusal usage(String message) {
    return new Refusal(message, true);
  }

  /** {@return whether it is of what was typed} */
  boolean isUsage() {
    return usage;
  }

  /** {@return the line} */
  String line() {
    return String.valueOf(getMessage());
  }
}
