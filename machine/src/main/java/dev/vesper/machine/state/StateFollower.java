package dev.vesper.machine.state;

/** An object that keeps, for speed, what follows from its own state and that of others. */
public interface StateFollower {
  /** All state of the machine is another one now: what follows from it is to be found anew. */
  void stateChanged();
}
