package dev.vesper.machine.device;

/** A device with events in virtual time. */
public interface Timed {
  /** No event is due. */
  long NEVER = Long.MAX_VALUE;

  /** {@return when the next event is due, in virtual nanoseconds, or {@link #NEVER}} */
  long nextEvent();

  /** Lets everything happen that is due. */
  void advance(long now);
}
