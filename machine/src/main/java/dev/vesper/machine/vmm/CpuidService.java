package dev.vesper.machine.vmm;

import dev.vesper.machine.sev.SevMode;

/** Answers CPUID from the model and the little that is dynamic. */
final class CpuidService {
  private final CpuModel model;
  private final SevMode mode;

  CpuidService(CpuModel model, SevMode mode) {
    this.model = model;
    this.mode = mode;
  }

  /** {@return the C-bit position that the model names} */
  static int cBit(CpuModel model) {
    return model.leaf(0x8000_001F, 0).ebx() & 63;
  }

  CpuModel.Leaf answer(int leaf, int subleaf) {
    CpuModel.Leaf l = model.leaf(leaf, subleaf);
    if (leaf == 0x8000_001F) {
      return switch (mode) {
        case OFF -> CpuModel.Leaf.ZERO;
        case SEV -> new CpuModel.Leaf(l.eax() & ~8, l.ebx(), l.ecx(), l.edx());
        case ES -> l;
      };
    }
    int max = model.leaf(leaf & 0xC000_0000, 0).eax();
    boolean known = leaf >>> 30 != 0 || Integer.compareUnsigned(leaf, max) <= 0;
    // Basic leaves above the maximum answer as zero, as AMD processors do.
    return known ? l : CpuModel.Leaf.ZERO;
  }
}
