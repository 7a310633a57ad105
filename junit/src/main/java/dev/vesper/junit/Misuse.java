package dev.vesper.junit;

import dev.vesper.machine.observe.format.Visible;
import org.jspecify.annotations.Nullable;

/** A mistake of who wrote the test: one line that says what and how to mend it. */
final class Misuse extends RuntimeException {
  private static final long serialVersionUID = 1;

  Misuse(String message) {
    this(message, null);
  }

  /**
   * @param cause what a program of the user's has thrown, or null
   */
  Misuse(String message, @Nullable Throwable cause) {
    super(Visible.lines(message), cause, false, false);
  }

  /** {@return another exception with the message, whose place says nothing} */
  static <E extends RuntimeException> E bare(E e) {
    e.setStackTrace(new StackTraceElement[0]);
    return e;
  }
}
