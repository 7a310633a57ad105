package dev.vesper.machine.vmm;

import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.sev.PlainVcpu;
import dev.vesper.machine.spec.SevMode;

/** Answers CPUID as KVM does: from the model and the little that is dynamic. */
final class CpuidService {
  private static final int APIC = 1 << 9;
  private static final int X2APIC = 1 << 21;
  private static final int HTT = 1 << 28;
  private static final int EXTENDED = 0x8000_0000;
  private static final int SEV = 0x8000_001F;

  /** What leaf SEV tells of SEV-SNP. */
  private static final int OF_SNP = CpuModel.SNP | CpuModel.SECURE_TSC;

  private static final int TOPOLOGY = 0xB;
  private static final int LAST_LEVEL_CACHE = 3;
  private static final int FEATURES = 7;
  private static final int XSAVE = 0xD;
  private static final int EXTENDED_FEATURES = 0x8000_0001;
  private static final int OSXSAVE = 1 << 27;
  private static final int OSPKE = 1 << 4;
  private static final int CR4_OSXSAVE = 18;
  private static final int CR4_PKE = 22;

  private final transient CpuModel model;
  private final SevMode mode;
  private final int processors;
  private final boolean localApics;

  CpuidService(CpuModel model, SevMode mode, int processors, boolean localApics) {
    this.model = model;
    this.mode = mode;
    this.processors = processors;
    this.localApics = localApics;
  }

  /** Puts an answer into a plain guest's registers. */
  static void give(CpuModel.Leaf l, PlainVcpu v) {
    v.setGpr(0, l.eax() & 0xFFFF_FFFFL);
    v.setGpr(3, l.ebx() & 0xFFFF_FFFFL);
    v.setGpr(1, l.ecx() & 0xFFFF_FFFFL);
    v.setGpr(2, l.edx() & 0xFFFF_FFFFL);
  }

  /** {@return the C-bit position that the model names} */
  static int cBit(CpuModel model) {
    return model.leaf(0x8000_001F, 0).ebx() & 63;
  }

  /**
   * {@return the four registers}
   *
   * @param v the vCPU that asks
   * @param xcr0 XCR0 as the guest says or the host sees it, for the sizes of leaf 0xD
   * @param xss the same of XSS
   */
  CpuModel.Leaf answer(HostVcpu v, int leaf, int subleaf, long xcr0, long xss) {
    CpuModel.Leaf l = model.leaf(leaf, subleaf);
    if (leaf == SEV) {
      return switch (mode) {
        case OFF -> CpuModel.Leaf.ZERO;
        case SEV -> new CpuModel.Leaf(l.eax() & ~(8 | OF_SNP), l.ebx(), l.ecx(), l.edx());
        case ES -> new CpuModel.Leaf(l.eax() & ~OF_SNP, l.ebx(), l.ecx(), l.edx());
        // QEMU shows neither privilege levels nor RMPQUERY.
        case SNP -> l;
      };
    }
    if (leaf == EXTENDED && mode != SevMode.OFF && Integer.compareUnsigned(l.eax(), SEV) < 0) {
      // QEMU raises the highest leaf so that the guest finds that of SEV.
      return new CpuModel.Leaf(SEV, l.ebx(), l.ecx(), l.edx());
    }
    int max = model.leaf(leaf & 0xC000_0000, 0).eax();
    boolean known = leaf >>> 30 != 0 || Integer.compareUnsigned(leaf, max) <= 0;
    if (!known) {
      // Basic leaves above the maximum answer as zero, as AMD processors do.
      return CpuModel.Leaf.ZERO;
    }
    if (leaf == 1) {
      return features(v, l);
    }
    if (leaf == EXTENDED_FEATURES && localApics) {
      return new CpuModel.Leaf(l.eax(), l.ebx(), l.ecx(), l.edx() | APIC);
    }
    if (leaf == FEATURES && subleaf == 0) {
      int ospke = model.has("pku") && (v.cr4() >> CR4_PKE & 1) != 0 ? OSPKE : 0;
      return new CpuModel.Leaf(l.eax(), l.ebx(), l.ecx() | ospke, l.edx());
    }
    if (leaf == TOPOLOGY && model.leaf(TOPOLOGY, 0).ecx() != 0) {
      if (l.ecx() == 0) {
        // No such level: the subleaf is echoed.
        return new CpuModel.Leaf(0, 0, subleaf & 0xFF, v.id);
      }
      int shift = subleaf == 1 ? 32 - Integer.numberOfLeadingZeros(processors - 1) : 0;
      return new CpuModel.Leaf(shift, subleaf == 1 ? processors : 1, l.ecx(), v.id);
    }
    if (leaf == 0x8000_001D && subleaf == LAST_LEVEL_CACHE) {
      // All cores share it.
      return new CpuModel.Leaf(l.eax() | processors - 1 << 14, l.ebx(), l.ecx(), l.edx());
    }
    if (leaf == 0x8000_001E && model.has("topoext")) {
      return new CpuModel.Leaf(v.id, v.id, 0, 0);
    }
    if (leaf == XSAVE && subleaf == 0) {
      return new CpuModel.Leaf(l.eax(), model.xsaveSize(xcr0), l.ecx(), l.edx());
    }
    if (leaf == XSAVE && subleaf == 1 && (model.has("xsavec") || model.has("xsaves"))) {
      return new CpuModel.Leaf(l.eax(), model.xsaveCompactSize(xcr0 | xss), l.ecx(), l.edx());
    }
    return l;
  }

  /** Leaf 1: who asks, whether its local APIC is on, and what it has switched on. */
  private CpuModel.Leaf features(HostVcpu v, CpuModel.Leaf l) {
    boolean saves = model.hasXsave() && (v.cr4() >> CR4_OSXSAVE & 1) != 0;
    int ecx = l.ecx() | (saves ? OSXSAVE : 0);
    if (v.apic == null) {
      return new CpuModel.Leaf(l.eax(), l.ebx(), ecx & ~X2APIC, l.edx() & ~APIC);
    }
    return new CpuModel.Leaf(
        l.eax(),
        l.ebx() & 0xFFFF | v.id << 24 | processors << 16,
        ecx,
        l.edx() & ~APIC | (v.apic.enabled() ? APIC : 0) | (processors > 1 ? HTT : 0));
  }
}
