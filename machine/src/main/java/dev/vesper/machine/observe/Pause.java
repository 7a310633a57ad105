package dev.vesper.machine.observe;

/** Why a processor has paused for an observer, in the middle of what its guest does. */
public enum Pause {
  /** So many instructions are executed. */
  COUNT,
  /** The next instruction is one that the observer waits for. */
  CODE,
  /** The last instruction has accessed data that the observer waits for. */
  DATA,
  /** The observer has asked for it when it was told of an event. */
  EVENT,
  /** Another thread has asked for it. */
  STOPPED
}
