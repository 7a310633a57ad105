package dev.vesper.machine.trace;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;

/**
 * What of a processor's state code depends on, in the bits that QEMU's log has (target/i386/cpu.h,
 * {@code HF_*}): CPL 1:0, shadow 3, CS 4 and SS 5 of 32 bits, bases that are added 6, PE 7, MP 9,
 * EM 10, TS 11, long mode 14, 64-bit code 15, FXSAVE 22, SMAP 23; TF, IOPL, RF, VM and AC where
 * RFLAGS has them.
 */
final class TranslationFlags {
  private static final int OF_RFLAGS =
      CpuState.TF | CpuState.IOPL | CpuState.RF | CpuState.VM | CpuState.AC;

  /** D and B in {@link CpuState#segAttr}. */
  private static final int BIG = 0x400;

  private TranslationFlags() {}

  static int of(Cpu c) {
    int f = c.cpl | c.eflags & OF_RFLAGS;
    f |= c.interruptShadow ? 8 : 0;
    boolean wide = c.mode64();
    boolean code32 = wide || (c.segAttr[CpuState.CS] & BIG) != 0;
    boolean protectedMode = c.protectedMode();
    f |= code32 ? 0x10 : 0;
    f |= wide || (c.segAttr[CpuState.SS] & BIG) != 0 ? 0x20 : 0;
    f |= !wide && (!protectedMode || c.v86() || !code32 || hasBase(c)) ? 0x40 : 0;
    f |= protectedMode ? 0x80 : 0;
    f |= (int) (c.cr0 & (CpuState.CR0_MP | CpuState.CR0_EM | CpuState.CR0_TS)) << 8;
    f |= c.longMode() ? 0x4000 : 0;
    f |= wide ? 0x8000 : 0;
    f |= (c.cr4 & CpuState.CR4_OSFXSR) != 0 ? 1 << 22 : 0;
    f |= (c.cr4 & CpuState.CR4_SMAP) != 0 ? 1 << 23 : 0;
    return f;
  }

  private static boolean hasBase(Cpu c) {
    return (c.segBase[CpuState.DS] | c.segBase[CpuState.ES] | c.segBase[CpuState.SS]) != 0;
  }
}
