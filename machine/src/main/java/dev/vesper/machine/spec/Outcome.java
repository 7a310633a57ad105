package dev.vesper.machine.spec;

/**
 * How a run ended.
 *
 * @param status the exit status of the command
 * @param reason one line for people
 */
public record Outcome(int status, String reason) {
  public static final int POWER_OFF = 0;
  public static final int USAGE = 2;
  public static final int GUEST_TERMINATED = 3;
  public static final int SHUTDOWN = 5;
  public static final int GAVE_UP = 6;

  /** A file, a pipe or a terminal did not take what was to be written. */
  public static final int UNWRITTEN = 122;

  /** The process has used up its memory. */
  public static final int EXHAUSTED = 123;

  public static final int LIMIT = 124;
  public static final int DEFECT = 125;

  /** Whoever sits at the console has ended it. */
  public static final int QUIT = 130;
}
