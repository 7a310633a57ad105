package dev.vesper.machine.vmm;

import java.util.OptionalLong;

/**
 * Memory type range registers as state: eight variable ranges, the fixed ranges, and a default type
 * (AMD APM volume 2, 7.7). They start with 0, or with enabled write-back, as firmware leaves it.
 */
final class MtrrState {
  private static final int CAPABILITIES = 0xFE;
  private static final int VARIABLE = 0x200;
  private static final int DEFAULT_TYPE = 0x2FF;
  private static final int[] FIXED = {
    0x250, 0x258, 0x259, 0x268, 0x269, 0x26A, 0x26B, 0x26C, 0x26D, 0x26E, 0x26F
  };

  private final long[] variable = new long[16];
  private final long[] fixed = new long[FIXED.length];
  private long defaultType;

  /** Physical address bits that the processor does not have. */
  private final long beyond;

  /**
   * Registers at the start.
   *
   * @param left whether firmware has set them up
   * @param width of physical addresses
   */
  MtrrState(boolean left, int width) {
    defaultType = left ? 0x806 : 0;
    beyond = -1L << width;
  }

  private static int fixedIndex(int msr) {
    for (int i = 0; i < FIXED.length; i++) {
      if (FIXED[i] == msr) {
        return i;
      }
    }
    return -1;
  }

  OptionalLong read(int msr) {
    if (msr == CAPABILITIES) {
      return OptionalLong.of(0x508);
    }
    if (msr == DEFAULT_TYPE) {
      return OptionalLong.of(defaultType);
    }
    if (msr >= VARIABLE && msr < VARIABLE + 16) {
      return OptionalLong.of(variable[msr - VARIABLE]);
    }
    int i = fixedIndex(msr);
    return i < 0 ? OptionalLong.empty() : OptionalLong.of(fixed[i]);
  }

  private static boolean type(long t) {
    return t == 0 || t == 1 || t == 4 || t == 5 || t == 6;
  }

  boolean write(int msr, long v) {
    if (msr == DEFAULT_TYPE) {
      if ((v & ~0xCFFL) != 0 || !type(v & 0xFF)) {
        return false;
      }
      defaultType = v;
      return true;
    }
    if (msr >= VARIABLE && msr < VARIABLE + 16) {
      boolean mask = (msr & 1) != 0;
      if ((v & (beyond | (mask ? 0x7FF : 0xF00))) != 0 || !mask && !type(v & 0xFF)) {
        return false;
      }
      variable[msr - VARIABLE] = v;
      return true;
    }
    int i = fixedIndex(msr);
    if (i < 0) {
      return false;
    }
    for (int b = 0; b < 64; b += 8) {
      if (!type(v >>> b & 0xFF)) {
        return false;
      }
    }
    fixed[i] = v;
    return true;
  }
}
