package dev.vesper.machine.device.share;

/** A request fails with an error number of Linux. */
final class FuseError extends Exception {
  static final int EPERM = 1;
  static final int ENOENT = 2;
  static final int EINTR = 4;
  static final int EBADF = 9;
  static final int EACCES = 13;
  static final int EEXIST = 17;
  static final int ENODEV = 19;
  static final int ENOTDIR = 20;
  static final int EISDIR = 21;
  static final int EINVAL = 22;
  static final int ENFILE = 23;
  static final int EMFILE = 24;
  static final int EROFS = 30;
  static final int ENAMETOOLONG = 36;
  static final int ENOSYS = 38;
  static final int ELOOP = 40;
  static final int ESTALE = 116;

  private static final long serialVersionUID = 1;

  final int number;

  FuseError(int number) {
    super(null, null, false, false);
    this.number = number;
  }
}
