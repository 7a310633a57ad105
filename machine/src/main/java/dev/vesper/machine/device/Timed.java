package dev.vesper.machine.device;

/** A device with events in virtual time. */
public interface Timed {
  /** No event is due. */
  long NEVER = Long.MAX_VALUE;

  /** {@return when the next event is due, in virtual nanoseconds, or {@link #NEVER}} */
  long nextEvent();

  /**
   * {@return when the next event is due that somebody outside has no part in} While processors are
   * halted, those outside are waited for and not looked at again and again.
   */
  default long nextOwnEvent() {
    return nextEvent();
  }

  /** Lets everything happen that is due. */
  void advance(long now);
}
