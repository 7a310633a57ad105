package dev.vesper.machine.assembly;

import dev.vesper.machine.state.StateFollower;

/**
 * A way out of the machine. What has gone out does not come back when the machine is taken back to
 * an earlier moment, and does not go out again when it comes by.
 */
public final class Outlet implements StateFollower {
  /** What the machine has said, by the moment that it is at. */
  private long said;

  /** What has gone out. */
  private transient long heard;

  /** {@return whether what the machine says now goes out; each time that it says something} */
  public boolean opens() {
    said++;
    if (said <= heard) {
      return false;
    }
    heard = said;
    return true;
  }

  /** What the machine says from here on is new, whatever it has said in another future. */
  public void branch() {
    heard = said;
  }

  /** What another process has let out is out. */
  @Override
  public void stateChanged() {
    heard = Math.max(heard, said);
  }
}
