package dev.vesper.machine.vmm;

import dev.vesper.machine.launch.CpuidPage;
import dev.vesper.machine.model.CpuModel;
import java.util.ArrayList;
import java.util.List;

/**
 * The CPUID page of a guest under SEV-SNP, as QEMU makes it (spec: snp 5.1): what the boot
 * processor is told, without what the secure processor does not allow.
 */
final class SnpCpuid {
  private static final int XSAVE = 0xD;

  /** Bytes of the legacy area and of the header, which is what XCR0 of 1 takes. */
  private static final int LEAST_XSAVE = 0x240;

  private static final int TSC_DEADLINE = 1 << 24;
  private static final int TSC_ADJUST = 1 << 1;

  /** SPEC_CTRL, STIBP, FLUSH_L1D, ARCH_CAPABILITIES, CORE_CAPABILITIES and SSBD. */
  private static final int SPECULATION = 0xFC00_0000;

  private static final int VIRT_SSBD = 1 << 25;

  /**
   * Complex indexing of the last-level cache, which EPYC-Milan has in QEMU's first version of it
   * and firmware refuses; the second version has it no more.
   */
  private static final int COMPLEX_INDEXING = 1 << 2;

  private SnpCpuid() {}

  static List<CpuidPage.Entry> entries(CpuModel model, CpuidService cpuid, HostVcpu v) {
    List<CpuidPage.Entry> out = new ArrayList<>();
    for (long key : model.leaves()) {
      int leaf = (int) (key >>> 32);
      int subleaf = (int) key;
      out.add(entry(leaf, subleaf, cpuid.answer(v, leaf, subleaf, 1, 0)));
    }
    return out;
  }

  private static CpuidPage.Entry entry(int leaf, int subleaf, CpuModel.Leaf l) {
    int eax = l.eax();
    int ebx = l.ebx();
    int ecx = l.ecx();
    int edx = l.edx();
    boolean sized = leaf == XSAVE && subleaf < 2;
    switch (leaf) {
      case 1 -> ecx &= ~TSC_DEADLINE;
      case 7 -> {
        if (subleaf == 0) {
          ebx &= ~TSC_ADJUST;
          edx &= ~SPECULATION;
        }
      }
      case XSAVE -> ebx = sized ? LEAST_XSAVE : ebx;
      case 0x8000_0008 -> ebx &= ~VIRT_SSBD;
      case 0x8000_001D -> edx &= ~COMPLEX_INDEXING;
      default -> {
        // as it is
      }
    }
    return new CpuidPage.Entry(leaf, subleaf, sized ? 1 : 0, 0, eax, ebx, ecx, edx);
  }
}
