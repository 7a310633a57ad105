package dev.vesper.cli;

/** A mistake of the user: one line that says what, where and how to mend it. */
final class UserError extends RuntimeException {
  private static final long serialVersionUID = 1;

  UserError(String message) {
    super(message, null, false, false);
  }
}
