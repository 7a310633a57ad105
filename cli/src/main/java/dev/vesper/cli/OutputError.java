package dev.vesper.cli;

import dev.vesper.machine.spec.Outcome;
import java.io.IOException;

/**
 * An output that was opened does not take what is written: a full disk, or a pipe without reader.
 */
final class OutputError extends UserError {
  private static final long serialVersionUID = 1;

  /** What shells give to a program that SIGPIPE has ended. */
  private static final int PIPE = 128 + 13;

  private final int status;

  /**
   * @param output its name, for people
   */
  OutputError(String output, IOException why) {
    super("cannot write " + output + ": " + reason(why));
    status = isPipe(why) ? PIPE : Outcome.UNWRITTEN;
  }

  /** Java has no type for EPIPE, and its text is the system's. */
  private static boolean isPipe(IOException e) {
    return String.valueOf(e.getMessage()).startsWith("Broken pipe")
        || e.getCause() instanceof IOException cause && isPipe(cause);
  }

  /** {@return whether nobody reads the pipe any more} */
  boolean isPipe() {
    return status == PIPE;
  }

  @Override
  int status() {
    return status;
  }

  /** {@return how a run ends for which this is the reason} */
  Outcome outcome() {
    return new Outcome(status, String.valueOf(getMessage()));
  }
}
