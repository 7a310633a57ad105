package dev.vesper.machine.device;

/**
 * The timer of a local APIC (AMD APM volume 2, 16.4.1): one count, periodic, or a deadline of the
 * time-stamp counter. Its clock is 1 GHz of virtual time, divided.
 */
final class ApicTimer {
  /** Bits 18:17 of the timer's LVT entry. */
  static final int ONE_SHOT = 0;

  static final int PERIODIC = 1;
  static final int DEADLINE = 2;

  private int mode;
  private long initial;
  private int divisor = 2;

  /** When the count is 0 next; NEVER when nothing counts: it has expired, or was never started. */
  private long end = Timed.NEVER;

  /** What is armed in deadline mode, as a time; 0 for nothing. */
  private long armed;

  void reset() {
    mode = ONE_SHOT;
    initial = 0;
    divisor = 2;
    end = Timed.NEVER;
    armed = 0;
  }

  /** {@return whether it expired at or before a point of time} */
  boolean advance(long now) {
    if (end > now) {
      return false;
    }
    if (mode == PERIODIC) {
      long period = initial * divisor;
      end += ((now - end) / period + 1) * period;
    } else {
      end = Timed.NEVER;
      armed = 0;
    }
    return true;
  }

  /** {@return when it expires next, or {@link Timed#NEVER}} */
  long next() {
    return end;
  }

  /** {@return the current count} */
  int count(long now) {
    return mode == DEADLINE || end == Timed.NEVER ? 0 : (int) ((end - now + divisor - 1) / divisor);
  }

  /** {@return the initial count} */
  int initial() {
    return (int) initial;
  }

  /** The initial count is written: counting begins anew, or ends with 0. */
  void start(int count, long now) {
    if (mode == DEADLINE) {
      return;
    }
    initial = count & 0xFFFF_FFFFL;
    end = initial == 0 || mode > DEADLINE ? Timed.NEVER : now + initial * divisor;
  }

  /** The divide configuration is written: what is left of the count is counted at the new rate. */
  void divide(int register, long now) {
    int code = register >> 1 & 4 | register & 3;
    int old = divisor;
    divisor = code == 7 ? 1 : 2 << code;
    if (mode != DEADLINE && end != Timed.NEVER) {
      end = now + (end - now) * divisor / old;
    }
  }

  /**
   * The mode is chosen. Between one count and periodic the count goes on, and a count that has
   * expired stays at 0 until the initial count is written; to or from deadline mode both are lost.
   */
  void mode(int m) {
    if (m != mode && (m == DEADLINE || mode == DEADLINE || m > DEADLINE)) {
      initial = 0;
      end = Timed.NEVER;
      armed = 0;
    }
    mode = m;
  }

  /** {@return what is armed in deadline mode, as a time; 0 for nothing} */
  long armed() {
    return armed;
  }

  /** Arms it in deadline mode, or disarms it with 0; without effect in other modes. */
  void arm(long at, long now) {
    if (mode == DEADLINE) {
      armed = at;
      end = at == 0 ? Timed.NEVER : Math.max(at, now);
    }
  }
}
