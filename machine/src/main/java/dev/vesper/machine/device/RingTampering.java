package dev.vesper.machine.device;

/** What a host has devices say in used rings otherwise: which chain is done, and how much of it. */
public final class RingTampering {
  /** What the device itself says. */
  public static final long OWN = -1;

  private long id = OWN;
  private long length = OWN;
  private long left;

  /**
   * Has the next elements be others.
   *
   * @param times how many of them
   * @param otherId what their id is, 32 bits, or {@link #OWN}
   * @param otherLength what their length is, 32 bits, or {@link #OWN}
   */
  public void next(long times, long otherId, long otherLength) {
    left = times;
    id = otherId;
    length = otherLength;
  }

  /** An element is written. */
  public void written() {
    left = Math.max(0, left - 1);
  }

  /** {@return the id of an element, given the device's} */
  public int id(int own) {
    return left == 0 || id == OWN ? own : (int) id;
  }

  /** {@return the length of an element, given the device's} */
  public int length(int own) {
    return left == 0 || length == OWN ? own : (int) length;
  }
}
