package dev.vesper.machine.vmm;

import java.util.OptionalLong;

/** Model-specific registers that the host emulates. An empty answer means #GP. */
final class MsrService {
  private static final int TSC = 0x10;
  private static final int PATCH_LEVEL = 0x8B;
  private static final int SYSCFG = 0xC001_0010;
  private static final int HWCR = 0xC001_0015;
  private static final int INT_PENDING = 0xC001_0055;
  private static final int DE_CFG = 0xC001_1029;

  /** Reads and moves the time-stamp counter. */
  interface Tsc {
    long read();

    void write(long v);
  }

  private final Tsc tsc;
  private long hwcr = 1;

  /** Memory types have no effect here; the registers keep what is written to them. */
  private final MtrrState mtrrs = new MtrrState();

  MsrService(Tsc tsc) {
    this.tsc = tsc;
  }

  OptionalLong read(int msr) {
    return switch (msr) {
      case TSC -> OptionalLong.of(tsc.read());
      case PATCH_LEVEL -> OptionalLong.of(0x0800_1250);
      case HWCR -> OptionalLong.of(hwcr);
      // Registers that a guest may look at and that mean nothing here.
      case SYSCFG,
          INT_PENDING,
          0xC001_001F,
          0xC001_0140,
          0xC001_0141,
          0xC001_1020,
          0xC001_1022,
          0xC001_1023,
          0xC001_102A ->
          OptionalLong.of(0);
      case DE_CFG -> OptionalLong.of(2);
      default -> msr >= 0xC001_0000 && msr <= 0xC001_0007 ? OptionalLong.of(0) : mtrrs.read(msr);
    };
  }

  /** {@return whether the write is accepted} */
  boolean write(int msr, long v) {
    switch (msr) {
      case TSC -> {
        tsc.write(v);
        return true;
      }
      case HWCR -> {
        hwcr = v & ~1L | 1;
        return true;
      }
      case SYSCFG,
          INT_PENDING,
          DE_CFG,
          0xC001_001F,
          0xC001_1020,
          0xC001_1022,
          0xC001_1023,
          0xC001_102A -> {
        return true;
      }
      default -> {
        return msr >= 0xC001_0000 && msr <= 0xC001_0007 || mtrrs.write(msr, v);
      }
    }
  }
}
