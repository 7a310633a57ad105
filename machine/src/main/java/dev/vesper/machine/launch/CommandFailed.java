package dev.vesper.machine.launch;

/** A command of the secure processor ended with another status than SUCCESS. */
public final class CommandFailed extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final SevStatus status;

  public CommandFailed(String command, SevStatus status, String why) {
    super(
        command
            + " failed with "
            + status
            + " (0x"
            + Integer.toHexString(status.code())
            + "): "
            + why);
    this.status = status;
  }

  /** {@return what the command's buffer says} */
  public SevStatus status() {
    return status;
  }
}
