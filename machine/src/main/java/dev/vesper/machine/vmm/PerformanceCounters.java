package dev.vesper.machine.vmm;

import dev.vesper.machine.device.Timed;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.sev.VirtualCpu;
import dev.vesper.x86.Msr;
import java.util.OptionalLong;

/**
 * Core performance counters of one vCPU (AMD APM volume 2, 13.2): four pairs of control and
 * counter, with the core extension six under newer numbers too, and with version 2 of performance
 * monitoring the registers that are common to all (13.2.4).
 *
 * <p>A cycle is an instruction, halts and waits for devices take none. Events that have no meaning
 * here are not counted.
 */
final class PerformanceCounters {
  private static final int CORE_COUNTERS = 6;
  private static final int OLD_COUNTERS = 4;

  private static final long USER = 1 << 16;
  private static final long SUPERVISOR = 1 << 17;
  private static final long EDGE = 1 << 18;
  private static final long INTERRUPT = 1 << 20;
  private static final long ENABLE = 1 << 22;
  private static final long INVERT = 1 << 23;

  /** Bits of a control that read as 0. */
  private static final long RESERVED = 0xFFFF_FFF0_0028_0000L;

  private static final int CYCLES = 0x76;
  private static final int CYCLES_AT_P0 = 0x120;
  private static final int INSTRUCTIONS = 0xC0;
  private static final long MASK = (1L << 48) - 1;

  private final boolean core;
  private final boolean version2;
  private final int counters;
  private final long[] control = new long[CORE_COUNTERS];

  /** Counts at the time when the sources had these values. */
  private final long[] base = new long[CORE_COUNTERS];

  private final long[] since = new long[CORE_COUNTERS];
  private long globalControl;
  private long globalStatus;

  /** Which counters run. */
  private int running;

  /** An overflow is to interrupt. */
  private boolean interrupts;

  PerformanceCounters(CpuModel model) {
    core = model.has("perfctr-core");
    version2 = model.has("perfmon-v2");
    counters = core || version2 ? CORE_COUNTERS : OLD_COUNTERS;
    globalControl = (1 << counters) - 1;
  }

  private boolean enabled(int i) {
    return (control[i] & ENABLE) != 0 && (!version2 || (globalControl >> i & 1) != 0);
  }

  private int select(int i) {
    return (int) control[i] & 0xFF | (int) (control[i] >>> 32) << 8;
  }

  private boolean constant(int i) {
    int s = select(i);
    return s == CYCLES || s == INSTRUCTIONS || s == CYCLES_AT_P0 && (control[i] >> 8 & 0xFF) == 1;
  }

  private boolean has(int i, long bit) {
    return (control[i] & bit) != 0;
  }

  /** {@return whether counting takes a look at each instruction} */
  private boolean needsLooking(int i) {
    return constant(i) ? has(i, USER) != has(i, SUPERVISOR) : VirtualCpu.counts(select(i));
  }

  /** {@return cycles of the privilege levels that a counter counts in} */
  private long cycles(int i, VirtualCpu v) {
    boolean user = has(i, USER);
    boolean supervisor = has(i, SUPERVISOR);
    return user && supervisor ? v.instructions() : v.events(INSTRUCTIONS, supervisor, user, false);
  }

  private long events(int i, VirtualCpu v) {
    return constant(i)
        ? cycles(i, v)
        : v.events(select(i), has(i, SUPERVISOR), has(i, USER), has(i, EDGE));
  }

  /**
   * {@return a number that grows as a counter does} In a cycle there is one event or none, so that
   * a mask of 2 or more is never reached.
   */
  private long source(int i, VirtualCpu v) {
    int mask = (int) (control[i] >>> 24) & 0xFF;
    boolean inverted = mask != 0 && has(i, INVERT);
    if (mask > 1) {
      return inverted ? cycles(i, v) : 0;
    }
    return inverted && !has(i, EDGE) ? cycles(i, v) - events(i, v) : events(i, v);
  }

  /** {@return whether the condition that a counter counts edges of is always true} */
  private boolean oneEdge(int i) {
    int mask = (int) (control[i] >>> 24) & 0xFF;
    return has(i, EDGE) && (mask > 1 ? has(i, INVERT) : constant(i) && !has(i, INVERT));
  }

  private long grown(int i, VirtualCpu v) {
    if ((running >> i & 1) == 0) {
      return 0;
    }
    long n = source(i, v) - since[i];
    return oneEdge(i) ? Math.min(n, 1) : n;
  }

  private long count(int i, VirtualCpu v) {
    return base[i] + grown(i, v) & MASK;
  }

  /** Says which counters run from now on; those that start or stop keep their counts. */
  private void chooseRunning(VirtualCpu v, long[] counts) {
    int before = running;
    running = 0;
    boolean looking = false;
    for (int i = 0; i < counters; i++) {
      if (enabled(i)) {
        running |= 1 << i;
        looking |= needsLooking(i);
      }
    }
    v.countEvents(looking);
    for (int i = 0; i < counters; i++) {
      if (((before ^ running) >> i & 1) != 0) {
        base[i] = counts[i];
        since[i] = source(i, v);
      }
    }
  }

  private long[] counts(VirtualCpu v) {
    notice(v);
    long[] counts = new long[counters];
    for (int i = 0; i < counters; i++) {
      counts[i] = count(i, v);
    }
    return counts;
  }

  /** Counters that have gone through 0 say so. */
  private void notice(VirtualCpu v) {
    for (int i = 0; running != 0 && i < counters; i++) {
      long n = grown(i, v);
      if (base[i] + n > MASK) {
        base[i] = base[i] + n & MASK;
        since[i] += n;
        globalStatus |= 1L << i;
        interrupts |= has(i, INTERRUPT);
      }
    }
  }

  /** {@return whether a counter has gone through 0 that is told to interrupt} */
  boolean overflows(VirtualCpu v) {
    notice(v);
    boolean now = interrupts;
    interrupts = false;
    return now;
  }

  /** {@return when to look for the next overflow that interrupts, in virtual time} */
  long nextOverflow(VirtualCpu v) {
    long left = Timed.NEVER;
    for (int i = 0; running != 0 && i < counters; i++) {
      if ((running >> i & 1) != 0 && has(i, INTERRUPT)) {
        left = Math.min(left, MASK + 1 - base[i] - grown(i, v));
      }
    }
    return left == Timed.NEVER ? left : v.now() + left;
  }

  /** {@return the pair's number times two, plus one for the counter; -1 for another register} */
  private int slot(int msr) {
    if (core && msr >= Msr.PERF_CTL0 && msr < Msr.PERF_CTL0 + 2 * CORE_COUNTERS) {
      return msr - Msr.PERF_CTL0;
    }
    int old = msr - Msr.PERF_LEGACY_CTL0;
    return old < 0 || old >= 2 * OLD_COUNTERS
        ? -1
        : old < OLD_COUNTERS ? 2 * old : 2 * (old - OLD_COUNTERS) + 1;
  }

  /** {@return the value, or nothing if the register is none of these} */
  OptionalLong read(int msr, VirtualCpu v) {
    int s = slot(msr);
    if (s >= 0) {
      return OptionalLong.of((s & 1) == 0 ? control[s >> 1] : count(s >> 1, v));
    }
    if (!version2) {
      return OptionalLong.empty();
    }
    return switch (msr) {
      case Msr.PERF_CNTR_GLOBAL_STATUS -> {
        notice(v);
        yield OptionalLong.of(globalStatus);
      }
      case Msr.PERF_CNTR_GLOBAL_CTL -> OptionalLong.of(globalControl);
      case Msr.PERF_CNTR_GLOBAL_STATUS_CLR, Msr.PERF_CNTR_GLOBAL_STATUS_SET -> OptionalLong.of(0);
      default -> OptionalLong.empty();
    };
  }

  /** {@return whether the write is accepted; else the register is none of these, or #GP} */
  boolean write(int msr, long value, VirtualCpu v) {
    int s = slot(msr);
    if (s >= 0) {
      long[] counts = counts(v);
      int i = s >> 1;
      if ((s & 1) == 0) {
        control[i] = value & ~RESERVED;
        chooseRunning(v, counts);
      } else {
        counts[i] = value & MASK;
      }
      base[i] = counts[i];
      since[i] = source(i, v);
      return true;
    }
    if (!version2) {
      return false;
    }
    long own = (1 << counters) - 1;
    long[] counts = counts(v);
    switch (msr) {
      case Msr.PERF_CNTR_GLOBAL_STATUS -> {
        // read-only; a write is ignored
      }
      case Msr.PERF_CNTR_GLOBAL_CTL -> {
        globalControl = value & own;
        chooseRunning(v, counts);
      }
      case Msr.PERF_CNTR_GLOBAL_STATUS_CLR -> globalStatus &= ~value;
      case Msr.PERF_CNTR_GLOBAL_STATUS_SET -> globalStatus |= value & own;
      default -> {
        return false;
      }
    }
    return true;
  }

  /** {@return a counter by its number, as RDPMC names it} */
  OptionalLong counter(int number, VirtualCpu v) {
    return number >= 0 && number < counters
        ? OptionalLong.of(count(number, v))
        : OptionalLong.empty();
  }
}
