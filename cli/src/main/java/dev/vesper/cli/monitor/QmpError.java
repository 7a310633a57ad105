package dev.vesper.cli.monitor;

/** A command of QMP cannot be done. */
final class QmpError extends Exception {
  private static final long serialVersionUID = 1;

  /** What QEMU calls errors that no client need tell apart. */
  static final String GENERIC = "GenericError";

  static final String NOT_FOUND = "CommandNotFound";

  private final String kind;

  QmpError(String kind, String message) {
    super(message, null, false, false);
    this.kind = kind;
  }

  QmpError(String message) {
    this(GENERIC, message);
  }

  /** {@return the error's class} */
  String kind() {
    return kind;
  }
}
