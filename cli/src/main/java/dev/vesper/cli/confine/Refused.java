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
   * @throws Refused if it is minus an errno
   */
  static void check(String what, long result) throws Refused {
    if (result < 0) {
      throw new Refused(what + ": " + words(-result));
    }
  }

  /** {@return what an errno says} */
  static String words(long errno) {
    return switch ((int) errno) {
      case SystemCalls.EPERM -> "not permitted";
      case SystemCalls.EINVAL -> "the kernel does not know the request";
      case SystemCalls.ENOSYS -> "the kernel has no such system call";
      case SystemCalls.EOPNOTSUPP -> "turned off when the computer started";
      default -> "error " + errno;
    };
  }
}
