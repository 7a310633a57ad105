package dev.vesper.machine.cpu;

/**
 * What time-stamp counters of several processors count from. They are synchronised as real ones
 * are: although processors take turns in virtual time, none reads less than another one has read
 * before.
 */
public final class TimeStampCounter {
  private long latest;

  /** {@return the count of a processor at its own virtual time} */
  public long read(long now) {
    latest = Math.max(latest, now);
    return latest;
  }
}
