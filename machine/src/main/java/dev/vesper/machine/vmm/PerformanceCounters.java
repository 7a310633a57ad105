package dev.vesper.machine.vmm;

import java.util.OptionalLong;

/**
 * Core performance counters of one vCPU: six pairs of control and counter, the first four also
 * under their older numbers (AMD APM volume 2, 13.2). Retired instructions and cycles advance by
 * one an instruction, every other event not at all; there is no overflow interrupt.
 */
final class PerformanceCounters {
  private static final int EXTENDED = 0xC001_0200;
  private static final int OLD_CONTROL = 0xC001_0000;
  private static final int COUNTERS = 6;
  private static final int OLD_COUNTERS = 4;
  private static final long ENABLE = 1 << 22;
  private static final int CYCLES = 0x76;
  private static final int INSTRUCTIONS = 0xC0;
  private static final long MASK = (1L << 48) - 1;

  private final long[] control = new long[COUNTERS];

  /** Counts at {@link #since}. */
  private final long[] base = new long[COUNTERS];

  private final long[] since = new long[COUNTERS];

  private boolean runs(int i) {
    int event = (int) control[i] & 0xFF;
    return (control[i] & ENABLE) != 0 && (event == CYCLES || event == INSTRUCTIONS);
  }

  private long count(int i, long now) {
    return base[i] + (runs(i) ? now - since[i] : 0) & MASK;
  }

  /** {@return the pair's number times two, plus one for the counter; -1 for another register} */
  private static int slot(int msr) {
    if (msr >= EXTENDED && msr < EXTENDED + 2 * COUNTERS) {
      return msr - EXTENDED;
    }
    int old = msr - OLD_CONTROL;
    return old < 0 || old >= 2 * OLD_COUNTERS
        ? -1
        : old < OLD_COUNTERS ? 2 * old : 2 * (old - OLD_COUNTERS) + 1;
  }

  /** {@return the value, or nothing if the register is none of these} */
  OptionalLong read(int msr, long now) {
    int s = slot(msr);
    if (s < 0) {
      return OptionalLong.empty();
    }
    return OptionalLong.of((s & 1) == 0 ? control[s >> 1] : count(s >> 1, now));
  }

  /** {@return whether the register is one of these; if so it is written} */
  boolean write(int msr, long v, long now) {
    int s = slot(msr);
    if (s < 0) {
      return false;
    }
    int i = s >> 1;
    base[i] = (s & 1) == 0 ? count(i, now) : v & MASK;
    since[i] = now;
    if ((s & 1) == 0) {
      control[i] = v;
    }
    return true;
  }

  /** {@return a counter by its number, as RDPMC names it} */
  OptionalLong counter(int number, long now) {
    return number >= 0 && number < COUNTERS
        ? OptionalLong.of(count(number, now))
        : OptionalLong.empty();
  }
}
