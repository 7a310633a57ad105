package dev.vesper.machine.vmm;

import dev.vesper.x86.Msr;
import java.util.OptionalLong;

/**
 * Machine-check registers of one vCPU as KVM keeps them: banks in which no error ever appears
 * unless the guest writes one there (AMD APM volume 2, 9.3). QEMU sets ten of them up for a
 * processor that has machine checks; for another one KVM's 32 stay, without a register that
 * controls them all.
 */
final class MachineCheckBanks {
  private static final int BANKS = 10;
  private static final int BANKS_NOT_SET_UP = 32;
  private static final int CTL = 0;
  private static final int STATUS = 1;

  /** MCG_CTL is present. */
  private static final long CONTROL_PRESENT = 1 << 8;

  /** Software error recovery is supported. */
  private static final long RECOVERY = 1 << 24;

  private final long[] banks;
  private final long capabilities;
  private long status;
  private long control;

  /**
   * Registers after RESET.
   *
   * @param present the processor has machine checks
   */
  MachineCheckBanks(boolean present) {
    int n = present ? BANKS : BANKS_NOT_SET_UP;
    banks = new long[4 * n];
    capabilities = n | (present ? CONTROL_PRESENT | RECOVERY : 0);
    control = present ? -1 : 0;
    for (int i = CTL; present && i < banks.length; i += 4) {
      banks[i] = -1;
    }
  }

  private boolean controlled() {
    return (capabilities & CONTROL_PRESENT) != 0;
  }

  /** {@return the value, or nothing if the register is none of these} */
  OptionalLong read(int msr) {
    return switch (msr) {
      case Msr.P5_MC_ADDR, Msr.P5_MC_TYPE -> OptionalLong.of(0);
      case Msr.MCG_CAP -> OptionalLong.of(capabilities);
      case Msr.MCG_STATUS -> OptionalLong.of(status);
      case Msr.MCG_CTL -> controlled() ? OptionalLong.of(control) : OptionalLong.empty();
      default -> bank(msr) ? OptionalLong.of(banks[msr - Msr.MC0_CTL]) : OptionalLong.empty();
    };
  }

  private boolean bank(int msr) {
    return msr >= Msr.MC0_CTL && msr < Msr.MC0_CTL + banks.length;
  }

  /**
   * Writes a register.
   *
   * @param statusWritable HWCR.McStatusWrEn: a status other than zero may be written
   * @return false for #GP
   */
  boolean write(int msr, long v, boolean statusWritable) {
    switch (msr) {
      case Msr.MCG_STATUS -> status = v;
      case Msr.MCG_CTL -> {
        if (!controlled() || v != 0 && v != -1) {
          return false;
        }
        control = v;
      }
      default -> {
        int kind = msr & 3;
        if (!bank(msr)
            || kind == CTL && v != 0 && (v | 1 << 10 | 1) != -1
            || kind == STATUS && v != 0 && !statusWritable) {
          return false;
        }
        banks[msr - Msr.MC0_CTL] = v;
      }
    }
    return true;
  }
}
