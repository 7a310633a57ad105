package dev.vesper.machine.device;

import java.util.LinkedHashSet;

/**
 * How much devices do in one go. With one write a guest can ask for more than a computer does in
 * minutes: what exceeds the allowance is put off until whoever runs the machine has looked whether
 * it is to be stopped. No virtual time passes meanwhile and no vCPU runs, so that the guest cannot
 * tell; and work is counted, never timed, so that runs stay the same.
 */
public final class DeviceWork {
  /** Bytes moved, or what costs as much, before the rest is put off. */
  public static final long ALLOWANCE = 8 << 20;

  private final LinkedHashSet<Runnable> rest = new LinkedHashSet<>();
  private long left = ALLOWANCE;
  private final RingTampering rings = new RingTampering();

  /** {@return what used rings say otherwise} */
  public RingTampering rings() {
    return rings;
  }

  /**
   * Counts what has been done.
   *
   * @param bytes moved, or as many as could have been
   */
  public void spend(long bytes) {
    left -= bytes;
  }

  /** {@return whether everything else is to be put off} */
  public boolean spent() {
    return left <= 0;
  }

  /**
   * Puts something off.
   *
   * @param r goes on with it; the same object is kept once, however often it is given
   */
  public void later(Runnable r) {
    rest.add(r);
  }

  /** Allows as much again: an exit of the guest is over. */
  public void refill() {
    left = ALLOWANCE;
  }

  /** {@return whether something was put off} */
  public boolean unfinished() {
    return !rest.isEmpty();
  }

  /** Goes on with what was put off first, for one allowance. */
  public void goOn() {
    refill();
    if (!rest.isEmpty()) {
      rest.removeFirst().run();
    }
  }
}
