package dev.vesper.machine.vmm;

import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.model.XsaveLayout;
import dev.vesper.machine.spec.SevMode;

/**
 * CPUID as vmm_handle_cpuid answers it: the host's leaves through masks (spec: openbsd section
 * 3.6). The CPU model is the host.
 */
final class VmmCpuid {
  /** EST TM2 MWAIT PDCM VMX DTES64 DSCPL SMX CNXTID SDBG XTPR PCID DCA X2APIC TSC-DEADLINE. */
  private static final int LEAF1_ECX_HIDDEN =
      1 << 7 | 1 << 8 | 1 << 3 | 1 << 15 | 1 << 5 | 1 << 2 | 1 << 4 | 1 << 6 | 1 << 10 | 1 << 11
          | 1 << 14 | 1 << 17 | 1 << 18 | 1 << 21 | 1 << 24;

  /** ACPI TM HTT DS APIC PSN SS PBE MTRR MCE MCA. */
  private static final int LEAF1_EDX_HIDDEN =
      1 << 22 | 1 << 29 | 1 << 28 | 1 << 21 | 1 << 9 | 1 << 18 | 1 << 27 | 1 << 31 | 1 << 12
          | 1 << 7 | 1 << 14;

  /** TSC_ADJUST SGX HLE INVPCID RTM PQM MPX PCOMMIT PT and all AVX-512. */
  private static final int LEAF7_EBX_HIDDEN =
      1 << 1 | 1 << 2 | 1 << 4 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 14 | 1 << 22 | 1 << 25 | 1 << 16
          | 1 << 17 | 1 << 21 | 1 << 26 | 1 << 27 | 1 << 28 | 1 << 30 | 1 << 31;

  private static final int UMIP = 1 << 2;
  private static final int MD_CLEAR = 1 << 10;
  private static final int HYPERVISOR = 1 << 31;
  private static final int OSXSAVE = 1 << 27;
  private static final long CR4_OSXSAVE = 1L << 18;
  private static final int SVM = 1 << 2;
  private static final int MWAITX = 1 << 29;
  private static final int RDTSCP = 1 << 27;
  private static final int INVARIANT_TSC = 1 << 8;
  private static final int MOST_EXTENDED = 0x8000_001F;

  /** KVM's features clocksource2 and stable clock source. */
  private static final int CLOCK_SOURCE = 1 << 3 | 1 << 24;

  private static final int NO_IO_DELAY = 1 << 1;
  private static final int TSC_HZ = 1_000_000_000;

  private static final int PKU = 1 << 3;

  /** x87, SSE, AVX and AVX-512: xsave_mask of the host's kernel. */
  private static final long HOST_XCR0 = 7 | XsaveLayout.AVX512;

  private static final long PKRU = 1 << XsaveLayout.PKRU;

  private final OpenBsdProfile profile;
  private final CpuModel host;
  private final SevMode mode;

  VmmCpuid(OpenBsdProfile profile, CpuModel host, SevMode mode) {
    this.profile = profile;
    this.host = host;
    this.mode = mode;
  }

  /** {@return whether the host's kernel knows how fast its TSC is: only of an invariant one} */
  boolean knowsTscFrequency() {
    return invariantTsc();
  }

  /** The host's kernel has execute-only pages by protection keys wherever it can. */
  private boolean pku() {
    return (host.leaf(7, 0).ecx() & PKU) != 0;
  }

  private long hostXcr0() {
    return host.hasXsave() ? host.leaf(0xD, 0).eax() & HOST_XCR0 : 0;
  }

  /** {@return what a guest may set in XCR0; PKRU since vmm_machdep.c 1.64 (2025-09-14)} */
  long xcr0Mask() {
    boolean pkru = pku() && profile.since(OpenBsdProfile.State.SEPTEMBER_2025);
    return hostXcr0() | (pkru ? PKRU : 0);
  }

  /** {@return the bits of KVM's clock: since 1.69 (2026-02-08) only if it can be told the time} */
  private int clockSource() {
    return knowsTscFrequency() || !profile.since(OpenBsdProfile.State.YEAR_2026) ? CLOCK_SOURCE : 0;
  }

  /** vmm_handle_cpuid_0xd. */
  private CpuModel.Leaf extendedState(int subleaf, CpuModel.Leaf l, long shadowXcr0) {
    long mask = xcr0Mask();
    boolean pkru = (mask & PKRU) != 0;
    if (subleaf == 0) {
      // ECX is what the host's own kernel uses.
      int largest = pkru ? SAVEFPU + 8 : host.xsaveSize(hostXcr0());
      int ebx = pkru && (shadowXcr0 & PKRU) != 0 ? largest : host.xsaveSize(shadowXcr0);
      return of((int) mask, ebx, largest, 0);
    }
    if (subleaf == 1) {
      return of(l.eax() & 5, 0, 0, 0);
    }
    if (subleaf == XsaveLayout.PKRU) {
      return pkru ? of(8, SAVEFPU, 0, 0) : CpuModel.Leaf.ZERO;
    }
    boolean shown = subleaf > 1 && subleaf < 63 && (hostXcr0() >>> subleaf & 1) != 0;
    return shown ? of(l.eax(), l.ebx(), 0, l.edx()) : CpuModel.Leaf.ZERO;
  }

  /** sizeof(struct savefpu): legacy region, header, AVX and AVX-512 in the standard form. */
  private static final int SAVEFPU = 2688;

  private static CpuModel.Leaf of(int eax, int ebx, int ecx, int edx) {
    return new CpuModel.Leaf(eax, ebx, ecx, edx);
  }

  private boolean invariantTsc() {
    return (host.leaf(0x8000_0007, 0).edx() & INVARIANT_TSC) != 0;
  }

  private int maxBasic() {
    int max = host.leaf(0, 0).eax();
    return invariantTsc() && Integer.compareUnsigned(max, 0x15) < 0 ? 0x15 : max;
  }

  private int maxExtended() {
    int max = host.leaf(0x8000_0000, 0).eax();
    if (mode != SevMode.OFF) {
      // A processor that runs such guests has the leaf of SEV, which is the last one given.
      return MOST_EXTENDED;
    }
    return Integer.compareUnsigned(max, MOST_EXTENDED) < 0 ? max : MOST_EXTENDED;
  }

  /**
   * {@return the four registers}
   *
   * @param asked a leaf beyond the basic or the extended ones is taken for the highest basic one
   * @param shadowXcr0 XCR0 as intercepted XSETBV left it: under SEV-ES it never changes
   */
  CpuModel.Leaf answer(HostVcpu v, int asked, int subleaf, long shadowXcr0) {
    int leaf = asked;
    boolean basic = Integer.compareUnsigned(leaf, 0x4000_0000) < 0;
    if (basic && Integer.compareUnsigned(leaf, maxBasic()) > 0
        || leaf < 0 && Integer.compareUnsigned(leaf, maxExtended()) > 0) {
      leaf = maxBasic();
    }
    CpuModel.Leaf l = host.leaf(leaf, subleaf);
    return switch (leaf) {
      case 0 -> of(maxBasic(), l.ebx(), l.ecx(), l.edx());
      case 1 -> {
        int ecx = (l.ecx() | HYPERVISOR) & ~LEAF1_ECX_HIDDEN & ~OSXSAVE;
        ecx |= (v.cr4() & CR4_OSXSAVE) != 0 ? OSXSAVE : 0;
        yield of(l.eax(), l.ebx() & 0xFFFF | v.id << 24, ecx, l.edx() & ~LEAF1_EDX_HIDDEN);
      }
      case 2 -> l;
      case 4 -> of(l.eax() & 0x3FFF, l.ebx(), l.ecx(), l.edx());
      case 7 ->
          subleaf == 0
              ? of(0, l.ebx() & ~LEAF7_EBX_HIDDEN, l.ecx() & (UMIP | PKU), l.edx() & MD_CLEAR)
              : CpuModel.Leaf.ZERO;
      case 0xD -> extendedState(subleaf, l, shadowXcr0);
      case 0x15 -> l.eax() != 0 || !invariantTsc() ? l : of(1, 100, TSC_HZ / 100, 0);
      case 0x16 -> l;
      case 0x4000_0000 -> signature(0, "OpenBSDVMM58");
      case 0x4000_0001 -> of(clockSource(), 0, 0, 0);
      case 0x4000_0100 -> signature(0x4000_0101, "KVMKVMKVM\0\0\0");
      case 0x4000_0101 -> of(clockSource() | NO_IO_DELAY, 0, 0, 0);
      case 0x8000_0000 -> of(maxExtended(), 0, 0, 0);
      case 0x8000_0001 -> of(l.eax(), 0, l.ecx() & ~(SVM | MWAITX), l.edx() & ~RDTSCP);
      case 0x8000_0002, 0x8000_0003, 0x8000_0004, 0x8000_0005, 0x8000_0006, 0x8000_001D -> l;
      case 0x8000_0007 -> of(l.eax(), l.ebx(), l.ecx(), l.edx() & INVARIANT_TSC);
      case 0x8000_0008 -> of(l.eax(), l.ebx() & ~SPECULATION_CONTROL, 0, l.edx());
      // The host's own values, whatever the guest is; without SEV this host offers none.
      case 0x8000_001F -> mode == SevMode.OFF ? CpuModel.Leaf.ZERO : l;
      default -> CpuModel.Leaf.ZERO;
    };
  }

  /** IBPB IBRS STIBP and their always-on and preferred variants, SSBD. */
  private static final int SPECULATION_CONTROL =
      1 << 12 | 1 << 14 | 1 << 15 | 1 << 16 | 1 << 17 | 1 << 18 | 1 << 24 | 1 << 25 | 1 << 26;

  private static CpuModel.Leaf signature(int eax, String s) {
    int[] r = new int[3];
    for (int i = 0; i < 12; i++) {
      r[i >> 2] |= s.charAt(i) << 8 * (i & 3);
    }
    return of(eax, r[0], r[1], r[2]);
  }
}
