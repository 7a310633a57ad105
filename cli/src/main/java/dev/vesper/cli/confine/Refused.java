package dev.vesper.cli.confine;

/** The system does not do what confinement asks of it. */
final class Refused extends Exception {
  private static final long serialVersionUID = 1;

  Refused(String message) {
    super(message, null, false, false);
  }

  /**
   * Takes a system call's result.
   *
   * @param what was asked, for messages
   * @throws Refused if it failed
   */
  static void check(String what, long result) throws Refused {
    if (result == SystemCalls.FAILED) {
      throw new Refused("the system does not know or allow it (" + what + ")");
    }
  }
}
