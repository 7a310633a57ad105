package dev.vesper.cli;

import dev.vesper.machine.HardwareOptions;
import dev.vesper.machine.spec.Outcome;
import java.io.IOException;
import java.util.function.Supplier;

/** A mistake of the user: one line that says what, where and how to mend it. */
class UserError extends RuntimeException {
  private static final long serialVersionUID = 1;

  UserError(String message) {
    super(message, null, false, false);
  }

  /** {@return the exit status of the command} */
  int status() {
    return Outcome.USAGE;
  }

  /** {@return why a file could not be read or written, in words} */
  static String reason(IOException e) {
    return HardwareOptions.reason(e);
  }

  /**
   * {@return what a call gives}
   *
   * @throws UserError if it finds an argument wrong
   */
  static <T> T of(Supplier<T> call) {
    try {
      return call.get();
    } catch (IllegalArgumentException e) {
      throw new UserError(String.valueOf(e.getMessage()));
    }
  }
}
