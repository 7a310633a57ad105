package dev.vesper.machine.device;

import java.util.function.LongSupplier;

/**
 * A high precision event timer (IA-PC HPET 1.0a): a 64-bit counter of 100 MHz and three comparators
 * that can be periodic and interrupt through the I/O APIC or, in legacy replacement, as the 8254
 * and the clock do.
 */
public final class Hpet implements MmioDevice, Timed {
  /** Where it lies on a PC. */
  public static final long BASE = 0xFED0_0000L;

  /** Bytes of its registers. */
  public static final int LENGTH = 0x400;

  /** Low half of the capabilities: vendor 8086h, legacy replacement, 64 bits, three timers. */
  public static final int CAPABILITIES = 0x8086_A201;

  private static final long TICK = 10;
  private static final long PERIOD = TICK * 1_000_000L << 32;
  private static final int TIMERS = 3;
  private static final long ENABLE = 1;
  private static final long LEGACY = 2;

  /**
   * Inputs of the I/O APIC that timers can use: 4 to 15 and 20 to 23 as QEMU's, 2 and 8 besides.
   */
  private static final long ROUTES = 0x00FF_0104L << 32;

  private static final class Timer {
    static final int LEVEL = 2;
    static final int INTERRUPT = 4;
    static final int PERIODIC = 8;
    static final int CAN_BE_PERIODIC = 0x10;
    static final int CAN_BE_64 = 0x20;
    static final int SET_VALUE = 0x40;
    static final int ONLY_32 = 0x100;
    static final int WRITABLE = 0x3F4E;

    int config = CAN_BE_PERIODIC | CAN_BE_64;
    long comparator = -1;
    long period;

    /** Virtual time at which it matches, or {@link Timed#NEVER}. */
    long due = NEVER;
  }

  private final LongSupplier clock;
  private final InterruptLines lines;
  private final Timer[] timers = {new Timer(), new Timer(), new Timer()};
  private long config;
  private long status;

  /** The counter while it stands, and what it counts from while it runs. */
  private long counter;

  private long since;

  /**
   * @param clock virtual time in nanoseconds
   * @param lines inputs of the I/O APIC
   */
  public Hpet(LongSupplier clock, InterruptLines lines) {
    this.clock = clock;
    this.lines = lines;
  }

  private boolean enabled() {
    return (config & ENABLE) != 0;
  }

  /** {@return whether it has taken the place of the 8254} */
  public boolean legacyReplacement() {
    return (config & (LEGACY | ENABLE)) == (LEGACY | ENABLE);
  }

  private long counterAt(long now) {
    return enabled() ? counter + (now - since) / TICK : counter;
  }

  private void schedule(Timer t) {
    long now = clock.getAsLong();
    if (!enabled()) {
      t.due = NEVER;
      return;
    }
    long distance = t.comparator - counterAt(now);
    if ((t.config & Timer.ONLY_32) != 0) {
      distance &= 0xFFFF_FFFFL;
      distance = distance == 0 ? 1L << 32 : distance;
    }
    // A comparator that has just passed matches after the counter has come around.
    boolean soon = distance > 0 && distance < Long.MAX_VALUE / TICK / 2;
    long start = since + (now - since) / TICK * TICK;
    t.due = soon ? start + distance * TICK : NEVER;
  }

  private int input(int n) {
    if ((config & LEGACY) != 0 && n < 2) {
      return n == 0 ? 0 : 8;
    }
    return timers[n].config >> 9 & 31;
  }

  private void raise(int n) {
    Timer t = timers[n];
    int in = input(n);
    if ((t.config & Timer.LEVEL) != 0) {
      status |= 1L << n;
      if ((t.config & Timer.INTERRUPT) != 0) {
        lines.line(in, true);
      }
    } else if ((t.config & Timer.INTERRUPT) != 0) {
      lines.line(in, true);
      lines.line(in, false);
    }
  }

  @Override
  public long nextEvent() {
    long next = NEVER;
    for (Timer t : timers) {
      if ((t.config & Timer.INTERRUPT) != 0) {
        next = Math.min(next, t.due);
      }
    }
    return next;
  }

  @Override
  public void advance(long now) {
    for (int i = 0; i < TIMERS; i++) {
      Timer t = timers[i];
      if (t.due > now) {
        continue;
      }
      if ((t.config & Timer.PERIODIC) != 0 && t.period > 0) {
        // Periods that passed unseen are one interrupt.
        long past = counterAt(now) - t.comparator;
        t.comparator += t.period * (Math.max(0, past) / t.period + 1);
      }
      raise(i);
      t.due = NEVER;
      if ((t.config & (Timer.PERIODIC | Timer.ONLY_32)) != 0) {
        // Half a minute later 32 bits have come around, for one that is not periodic too.
        schedule(t);
      }
    }
  }

  private long register(int offset) {
    if (offset >= 0x100 && offset < 0x100 + 0x20 * TIMERS) {
      Timer t = timers[offset - 0x100 >> 5];
      return switch (offset & 0x1F) {
        case 0 -> ROUTES | t.config;
        case 8 -> t.comparator;
        default -> 0;
      };
    }
    return switch (offset) {
      case 0 -> PERIOD | CAPABILITIES & 0xFFFF_FFFFL;
      case 0x10 -> config;
      case 0x20 -> status;
      case 0xF0 -> counterAt(clock.getAsLong());
      default -> 0;
    };
  }

  @Override
  public long read(long offset, int bytes) {
    return register((int) offset & ~7) >>> 8 * ((int) offset & 7);
  }

  @Override
  public void write(long offset, int bytes, long value) {
    int at = (int) offset & ~7;
    int shift = 8 * ((int) offset & 7);
    long mask = (-1L >>> 64 - 8 * bytes) << shift;
    advance(clock.getAsLong());
    put(at, register(at) & ~mask | value << shift & mask, value << shift & mask);
  }

  private void put(int at, long merged, long written) {
    if (at >= 0x100 && at < 0x100 + 0x20 * TIMERS) {
      Timer t = timers[at - 0x100 >> 5];
      if ((at & 0x1F) == 0) {
        t.config = (int) merged & Timer.WRITABLE | Timer.CAN_BE_PERIODIC | Timer.CAN_BE_64;
        schedule(t);
      } else if ((at & 0x1F) == 8) {
        compare(t, merged);
      }
      return;
    }
    switch (at) {
      case 0x10 -> {
        long now = clock.getAsLong();
        counter = counterAt(now);
        since = now;
        config = merged & 3;
        for (Timer t : timers) {
          schedule(t);
        }
      }
      case 0x20 -> {
        for (int i = 0; i < TIMERS; i++) {
          if ((written >> i & 1) != 0 && (status >> i & 1) != 0) {
            status &= ~(1L << i);
            lines.line(input(i), false);
          }
        }
      }
      case 0xF0 -> {
        if (!enabled()) {
          counter = merged;
        }
      }
      default -> {
        // capabilities are read-only
      }
    }
  }

  private void compare(Timer t, long v) {
    if ((t.config & Timer.PERIODIC) == 0 || (t.config & Timer.SET_VALUE) != 0) {
      t.comparator = v;
    }
    if ((t.config & Timer.PERIODIC) != 0) {
      // With the set bit the first value is the comparator; the period is what is written last.
      t.period = v;
    }
    t.config &= ~Timer.SET_VALUE;
    schedule(t);
  }
}
