package dev.vesper.machine.vmm;

import dev.vesper.x86.Msr;
import java.util.OptionalLong;

/**
 * Memory type range registers as state: eight variable ranges, the fixed ranges, and a default type
 * (AMD APM volume 2, 7.7). They start with 0, or with enabled write-back, as firmware leaves it.
 */
final class MtrrState {
  private static final int[] FIXED = {
    Msr.MTRR_FIX_64K_00000,
    Msr.MTRR_FIX_16K_80000,
    Msr.MTRR_FIX_16K_A0000,
    Msr.MTRR_FIX_4K_C0000,
    Msr.MTRR_FIX_4K_C8000,
    Msr.MTRR_FIX_4K_D0000,
    Msr.MTRR_FIX_4K_D8000,
    Msr.MTRR_FIX_4K_E0000,
    Msr.MTRR_FIX_4K_E8000,
    Msr.MTRR_FIX_4K_F0000,
    Msr.MTRR_FIX_4K_F8000
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
    if (msr == Msr.MTRR_CAP) {
      return OptionalLong.of(0x508);
    }
    if (msr == Msr.MTRR_DEF_TYPE) {
      return OptionalLong.of(defaultType);
    }
    if (msr >= Msr.MTRR_PHYS_BASE0 && msr < Msr.MTRR_PHYS_BASE0 + 16) {
      return OptionalLong.of(variable[msr - Msr.MTRR_PHYS_BASE0]);
    }
    int i = fixedIndex(msr);
    return i < 0 ? OptionalLong.empty() : OptionalLong.of(fixed[i]);
  }

  private static boolean type(long t) {
    return t == 0 || t == 1 || t == 4 || t == 5 || t == 6;
  }

  boolean write(int msr, long v) {
    if (msr == Msr.MTRR_DEF_TYPE) {
      if ((v & ~0xCFFL) != 0 || !type(v & 0xFF)) {
        return false;
      }
      defaultType = v;
      return true;
    }
    if (msr >= Msr.MTRR_PHYS_BASE0 && msr < Msr.MTRR_PHYS_BASE0 + 16) {
      boolean mask = (msr & 1) != 0;
      if ((v & (beyond | (mask ? 0x7FF : 0xF00))) != 0 || !mask && !type(v & 0xFF)) {
        return false;
      }
      variable[msr - Msr.MTRR_PHYS_BASE0] = v;
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
