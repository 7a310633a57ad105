package dev.vesper.machine.device;

/**
 * One counter of an 8254 (Intel 231164): what its six modes make of clock, gate and count. Time is
 * counted in pulses of its clock, which never stops.
 */
final class PitCounter {
  private static final int NOTHING = -1;

  /** There is no such edge. */
  static final long NEVER = Long.MAX_VALUE;

  private int mode = 3;

  /** Which bytes are read and written: 1 the low one, 2 the high one, 3 low, then high. */
  private int access = 3;

  private boolean bcd;
  private boolean gate;

  /** The count register, 1 to 65536, and whether the counting element has not taken it yet. */
  private int register = 0x1_0000;

  private boolean nullCount;

  /** What the counting element was loaded with last, at which pulse; it may be yet to come. */
  private int count = 0x1_0000;

  private long start;
  private boolean running;

  /** A trigger within the pulse of mode 1: its output stays low until the element is loaded. */
  private boolean stillLow;

  /** The pulse at which a count that waits in modes 2 and 3 is taken. */
  private long taken;

  /** Pulses counted when the gate of mode 0 or 4 went low. */
  private long held;

  private int lowByte = NOTHING;
  private boolean readHigh;
  private int latch = NOTHING;
  private boolean latchHigh;
  private int status = NOTHING;

  /**
   * @param gate level of the gate input
   */
  PitCounter(boolean gate) {
    this.gate = gate;
  }

  boolean gate() {
    return gate;
  }

  private boolean holds() {
    return !gate && (mode == 0 || mode == 4);
  }

  private boolean triggered() {
    return mode == 1 || mode == 5;
  }

  private boolean periodic() {
    return mode == 2 || mode == 3;
  }

  /** Pulses of mode 3's high half; the low half is the rest. */
  private static int highHalf(int count) {
    return (count + 1) / 2;
  }

  /** {@return pulses since the counting element was loaded, negative before} */
  private long counted(long now) {
    return holds() ? held : now - start;
  }

  /** A count that was written while a period went on is taken at its end, or its half's. */
  private void settle(long now) {
    if (!nullCount || !running || triggered()) {
      return;
    }
    if (!periodic()) {
      nullCount = counted(now) < 0;
    } else if (now >= taken) {
      boolean waited = waits();
      boolean half = takenAtHalf();
      nullCount = false;
      if (waited) {
        count = register;
        start = half ? taken - highHalf(count) : taken;
      }
    }
  }

  /** {@return whether a count waits for the end of a period or half period} */
  private boolean waits() {
    return periodic() && nullCount && taken > start;
  }

  private boolean takenAtHalf() {
    return (taken - start) % count != 0;
  }

  private void load(int value, long now) {
    int n = bcd ? fromBcd(value) : value;
    register = n != 0 ? n : bcd ? 10_000 : 0x1_0000;
    nullCount = true;
    if (triggered()) {
      return;
    }
    if (periodic() && running && gate) {
      long in = Math.max(0, now - start);
      int half = highHalf(count);
      boolean high = mode == 3 && in % count < half;
      taken = start + in / count * count + (high ? half : count);
      return;
    }
    restart(now);
  }

  private void restart(long now) {
    stillLow = mode == 1 && running && !output(now);
    count = register;
    start = now + 1;
    taken = start;
    held = 0;
    running = true;
  }

  /** A control word other than a latch command. */
  void control(int v) {
    access = v >> 4 & 3;
    mode = v >> 1 & 7;
    if (mode > 5) {
      mode -= 4;
    }
    bcd = (v & 1) != 0;
    running = false;
    nullCount = true;
    lowByte = NOTHING;
    readHigh = false;
    latch = NOTHING;
    status = NOTHING;
  }

  /** Changes the gate input. */
  void setGate(boolean on, long now) {
    settle(now);
    if (on == gate) {
      return;
    }
    if (!on) {
      held = Math.max(0, now - start);
      gate = false;
      return;
    }
    gate = true;
    if (!running && !triggered()) {
      return;
    }
    if (mode == 0 || mode == 4) {
      start = now - held;
    } else {
      restart(now);
      nullCount &= periodic();
    }
  }

  /** Writes a byte of the count. */
  void write(int v, long now) {
    settle(now);
    switch (access) {
      case 1 -> load(v, now);
      case 2 -> load(v << 8, now);
      default -> {
        if (lowByte == NOTHING) {
          lowByte = v;
          // The first byte stops mode 0.
          running &= mode != 0;
        } else {
          int value = v << 8 | lowByte;
          lowByte = NOTHING;
          load(value, now);
        }
      }
    }
  }

  private int value(long now) {
    if (!running) {
      return encoded(register);
    }
    long c = Math.max(0, counted(now));
    if (mode == 2) {
      return encoded(count - (gate ? c % count : held % count));
    }
    if (mode == 3) {
      long p = (gate ? c : held) % count;
      int half = highHalf(count);
      return encoded((count & -2) - 2 * (p < half ? p : p - half));
    }
    return encoded(count - c);
  }

  private int encoded(long v) {
    return bcd ? toBcd((int) Math.floorMod(v, 10_000L)) : (int) v & 0xFFFF;
  }

  /** Reads a byte: of a latched status, of a latched count, or of the count itself. */
  int read(long now) {
    settle(now);
    if (status != NOTHING) {
      int s = status;
      status = NOTHING;
      return s;
    }
    if (latch != NOTHING) {
      boolean high = access == 2 || latchHigh;
      int v = latch;
      latchHigh = access == 3 && !latchHigh;
      if (!latchHigh) {
        latch = NOTHING;
      }
      return (high ? v >> 8 : v) & 0xFF;
    }
    int v = value(now);
    boolean high = access == 2 || access == 3 && readHigh;
    readHigh = access == 3 && !readHigh;
    return (high ? v >> 8 : v) & 0xFF;
  }

  /** Latches the count, unless one is latched that nobody has read. */
  void latchCount(long now) {
    settle(now);
    if (latch == NOTHING) {
      latch = value(now);
      latchHigh = false;
    }
  }

  /** Latches the status, unless one is latched that nobody has read. */
  void latchStatus(long now) {
    settle(now);
    if (status == NOTHING) {
      status =
          (output(now) ? 0x80 : 0)
              | (nullCount ? 0x40 : 0)
              | access << 4
              | mode << 1
              | (bcd ? 1 : 0);
    }
  }

  /** {@return the level of the output} */
  boolean output(long now) {
    settle(now);
    if (!running) {
      return mode != 0;
    }
    long c = counted(now);
    return switch (mode) {
      case 0 -> c >= count;
      case 1 -> c < 0 ? !stillLow : c >= count;
      case 2 -> !gate || c < 0 || c % count != count - 1;
      case 3 -> !gate || c < 0 || c % count < highHalf(count);
      default -> c != count;
    };
  }

  /** {@return the first pulse after one at which the output rises, or {@link #NEVER}} */
  long nextRise(long now) {
    settle(now);
    boolean still = holds() || !gate && periodic();
    if (!running || still) {
      return NEVER;
    }
    if (waits()) {
      return takenAtHalf() ? taken + register - highHalf(register) : taken;
    }
    long c = now - start;
    return switch (mode) {
      case 0, 1 -> c < count ? start + count : NEVER;
      case 4, 5 -> c <= count ? start + count + 1 : NEVER;
      default -> {
        // Of one pulse there are no two levels.
        long periods = c < 0 ? 1 : c / count + 1;
        yield count == 1 ? NEVER : start + periods * count;
      }
    };
  }

  private static int fromBcd(int v) {
    return (v >> 12 & 15) * 1000 + (v >> 8 & 15) * 100 + (v >> 4 & 15) * 10 + (v & 15);
  }

  private static int toBcd(int v) {
    return v / 1000 % 10 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 | v % 10;
  }
}
