package dev.vesper.junit;

/** A mistake of who wrote the test: one line that says what and how to mend it. */
final class Misuse extends RuntimeException {
  private static final long serialVersionUID = 1;

  Misuse(String message) {
    super(message, null, false, false);
  }

  /** {@return another exception with the message, whose place says nothing} */
  static <E extends RuntimeException> E bare(E e) {
    e.setStackTrace(new StackTraceElement[0]);
    return e;
  }
}
