package dev.vesper.machine.vmm;

import java.util.OptionalLong;

/**
 * Machine-check registers of one vCPU as KVM keeps them: ten banks in which no error ever appears
 * unless the guest writes one there (AMD APM volume 2, 9.3).
 */
final class MachineCheckBanks {
  private static final int P5_ADDR = 0;
  private static final int P5_TYPE = 1;
  private static final int MCG_CAP = 0x179;
  private static final int MCG_STATUS = 0x17A;
  private static final int MCG_CTL = 0x17B;
  private static final int FIRST = 0x400;
  private static final int BANKS = 10;
  private static final int CTL = 0;
  private static final int STATUS = 1;

  /** MCG_CTL is present, software error recovery is supported. */
  private static final long CAPABILITIES = 1 << 8 | 1 << 24 | BANKS;

  private final long[] banks = new long[4 * BANKS];
  private long status;
  private long control = -1;

  MachineCheckBanks() {
    for (int i = CTL; i < banks.length; i += 4) {
      banks[i] = -1;
    }
  }

  /** {@return the value, or nothing if the register is none of these} */
  OptionalLong read(int msr) {
    return switch (msr) {
      case P5_ADDR, P5_TYPE -> OptionalLong.of(0);
      case MCG_CAP -> OptionalLong.of(CAPABILITIES);
      case MCG_STATUS -> OptionalLong.of(status);
      case MCG_CTL -> OptionalLong.of(control);
      default -> bank(msr) ? OptionalLong.of(banks[msr - FIRST]) : OptionalLong.empty();
    };
  }

  private static boolean bank(int msr) {
    return msr >= FIRST && msr < FIRST + 4 * BANKS;
  }

  /**
   * Writes a register.
   *
   * @param statusWritable HWCR.McStatusWrEn: a status other than zero may be written
   * @return false for #GP
   */
  boolean write(int msr, long v, boolean statusWritable) {
    switch (msr) {
      case MCG_STATUS -> status = v;
      case MCG_CTL -> {
        if (v != 0 && v != -1) {
          return false;
        }
        control = v;
      }
      default -> {
        int kind = msr & 3;
        if (!bank(msr)
            || kind == CTL && v != 0 && (v | 1 << 10) != -1
            || kind == STATUS && v != 0 && !statusWritable) {
          return false;
        }
        banks[msr - FIRST] = v;
      }
    }
    return true;
  }
}
