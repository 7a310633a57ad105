package dev.vesper.machine.spec;

import org.jspecify.annotations.Nullable;

/**
 * How a run ended.
 *
 * @param status the exit status of the command; a guest that chooses its own by the debug exit may
 *     choose one of these too, and {@code guestValue} tells them apart
 * @param reason one line for people
 * @param guestValue what the guest wrote to the debug exit (port 0xf4), 0 to 255; null if it did
 *     not
 */
public record Outcome(int status, String reason, @Nullable Integer guestValue) {
  public static final int POWER_OFF = 0;

  /** The guest ended by the debug exit, where statuses are asked for that are no guest's. */
  public static final int GUEST_EXIT = 1;

  public static final int USAGE = 2;
  public static final int GUEST_TERMINATED = 3;
  public static final int SHUTDOWN = 5;
  public static final int GAVE_UP = 6;

  /** The reverse map table has refused a guest under SEV-SNP a page. */
  public static final int PAGE_REFUSED = 7;

  /** A watchdog has reset a guest that did nothing but wait. */
  public static final int WATCHDOG = 8;

  /** A replay is not the run that was recorded. */
  public static final int DIFFERS = 121;

  /** A file, a pipe or a terminal did not take what was to be written. */
  public static final int UNWRITTEN = 122;

  /** The process has used up its memory. */
  public static final int EXHAUSTED = 123;

  public static final int LIMIT = 124;
  public static final int DEFECT = 125;

  /** Whoever sits at the console has ended it. */
  public static final int QUIT = 130;

  /** An outcome that is not the guest's own exit. */
  public Outcome(int status, String reason) {
    this(status, reason, null);
  }

  /** {@return what a write of a value to the debug exit comes to} */
  public static Outcome guestExit(int value) {
    return new Outcome(
        (value << 1 | 1) & 0xFF, "guest wrote " + value + " to the debug exit port 0xf4", value);
  }

  /** {@return whether this is an outcome of the machine's, and no guest chose its status} */
  public boolean is(int outcome) {
    return status == outcome && guestValue == null;
  }
}
