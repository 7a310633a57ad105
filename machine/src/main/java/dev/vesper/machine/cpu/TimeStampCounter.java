package dev.vesper.machine.cpu;

/**
 * What time-stamp counters of several processors count from. They are synchronised as real ones
 * are: although processors take turns in virtual time, none reads less than another one has read
 * before.
 */
public final class TimeStampCounter {
  private long latest;
  private int users;

  /** Says that one more processor counts by it. */
  public void addUser() {
    users++;
  }

  /** {@return whether several processors count by it, so that a read by one matters to others} */
  boolean isShared() {
    return users > 1;
  }

  /** {@return the count of a processor at its own virtual time} */
  public long read(long now) {
    latest = Math.max(latest, now);
    return latest;
  }
}
