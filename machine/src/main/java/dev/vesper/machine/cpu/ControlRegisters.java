package dev.vesper.machine.cpu;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.launch.SecureTsc;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.model.XsaveLayout;
import dev.vesper.x86.Msr;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Control registers, debug registers and the MSRs that the processor itself holds. */
public abstract class ControlRegisters extends Exceptions {
  /** Bits of CR4 that every processor here has; the rest come with features. */
  private static final long CR4_BASE =
      CR4_VME
          | CR4_PVI
          | CR4_TSD
          | CR4_DE
          | CR4_PSE
          | CR4_PAE
          | CR4_MCE
          | CR4_PGE
          | CR4_PCE
          | CR4_OSFXSR
          | CR4_OSXMMEXCPT;

  private static final Map<String, Long> CR4_FEATURES =
      Map.of(
          "fsgsbase", CR4_FSGSBASE,
          "xsave", CR4_OSXSAVE,
          "smep", CR4_SMEP,
          "smap", CR4_SMAP,
          "pcid", CR4_PCIDE,
          "pku", CR4_PKE,
          "pks", CR4_PKS,
          "umip", CR4_UMIP,
          "la57", CR4_LA57);

  /** What the processor can do. */
  public final transient CpuFeatures features;

  private final long cr4Allowed;

  /** Virtual nanoseconds that passed while the processor was idle. */
  public long idleTime;

  /** TSC_OFFSET of the VMCB. */
  public long tscOffset;

  /** How the guest's own save area has time counted, instead of the VMCB, or null. */
  public @Nullable SecureTsc secureTsc;

  /** Shared by the processors of a machine. */
  public TimeStampCounter timeStampCounter = new TimeStampCounter();

  private long random;

  /** RDRAND gives {@link #stuck} and nothing else. */
  private boolean sticks;

  private long stuck;

  protected ControlRegisters(
      PhysicalMemory memory, NestedMap nested, CpuFeatures features, long seed) {
    super(memory, nested);
    this.features = features;
    long allowed = CR4_BASE;
    for (Map.Entry<String, Long> e : CR4_FEATURES.entrySet()) {
      allowed |= features.has(e.getKey()) ? e.getValue() : 0;
    }
    cr4Allowed = allowed;
    configureFiveLevels(features.has("la57"));
    nullClearsBase = features.has("null-sel-clr-base");
    random = seed;
  }

  /** Exits after the instruction. */
  protected abstract Signal exitAfter(int code, long info1, long info2);

  /** An indirect branch prediction barrier. */
  protected abstract void forgetBranches();

  /** {@return virtual time in nanoseconds: one an instruction, and what idling skipped} */
  public final long now() {
    return icount + idleTime;
  }

  /** {@return the time-stamp counter: 1 GHz of virtual time, but for guests with Secure TSC} */
  public final long tsc() {
    SecureTsc s = secureTsc;
    return s == null ? cycles() : s.at(timeStampCounter.read(now()));
  }

  /** {@return what MPERF and APERF count, at the one frequency that there is} */
  public final long cycles() {
    return timeStampCounter.read(now()) + tscOffset;
  }

  /** Has RDRAND give one number from now on, as no good processor does. */
  public final void stickRandom(long number) {
    sticks = true;
    stuck = number;
  }

  /** {@return the next value of RDRAND: SplitMix64 of the run's seed} */
  public final long nextRandom() {
    if (sticks) {
      return stuck;
    }
    random += 0x9E37_79B9_7F4A_7C15L;
    long z = random;
    z = (z ^ z >>> 30) * 0xBF58_476D_1CE4_E5B9L;
    z = (z ^ z >>> 27) * 0x94D0_49BB_1331_11EBL;
    return z ^ z >>> 31;
  }

  private void trapCr(int n, long v) {
    if (intercepts.wants(ExitCode.CR0_WRITE_TRAP + n)) {
      exitAfter(ExitCode.CR0_WRITE_TRAP + n, v, 0);
    }
  }

  /** MOV to CR0, LMSW and CLTS. */
  public final void writeCr0(long v) {
    if (v >>> 32 != 0
        || (v & CR0_PG) != 0 && (v & CR0_PE) == 0
        || (v & CR0_NW) != 0 && (v & CR0_CD) == 0) {
      gp(0);
    }
    boolean paging = (v & CR0_PG) != 0;
    boolean was = (cr0 & CR0_PG) != 0;
    if (paging && !was && (efer & EFER_LME) != 0) {
      if ((cr4 & CR4_PAE) == 0
          || (segAttr[CS] & 0x200) != 0
          || (segAttr[TR] & 0xF) < 8 && (selector[TR] & ~3) != 0) {
        gp(0);
      }
      efer |= EFER_LMA;
    } else if (!paging && was) {
      if (mode64() || (cr4 & CR4_PCIDE) != 0) {
        gp(0);
      }
      efer &= ~EFER_LMA;
    }
    long changed = cr0 ^ v;
    cr0 = v & 0xE005_003FL | CR0_ET;
    if ((changed & CR0_PE) != 0 && (v & CR0_PE) == 0) {
      cpl = 0;
    }
    if ((changed & (CR0_PG | CR0_WP | CR0_PE)) != 0) {
      flushTlb(true);
    } else if ((changed & CR0_AM) != 0) {
      modeChanged();
    }
    trapCr(0, cr0);
  }

  /**
   * MOV to CR3. With CR4.PCIDE, bit 63 allows the processor to keep the translations of the new
   * PCID; it is not obliged to, and this one has no PCID in its TLB.
   */
  public final void writeCr3(long v) {
    long value = (cr4 & CR4_PCIDE) != 0 ? v & Long.MAX_VALUE : v;
    if (longMode() && (value & reservedInCr3()) != 0) {
      gp(0);
    }
    cr3 = value;
    flushTlb(false);
  }

  /** MOV to CR4. */
  public final void writeCr4(long v) {
    long changed = cr4 ^ v;
    if ((v & ~cr4Allowed) != 0
        || longMode() && ((v & CR4_PAE) == 0 || (changed & CR4_LA57) != 0)
        || (v & changed & CR4_PCIDE) != 0 && (!longMode() || (cr3 & 0xFFF) != 0)) {
      gp(0);
    }
    cr4 = v;
    long paging =
        CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_PKS | CR4_PCIDE
            | CR4_LA57;
    if ((changed & paging) != 0) {
      flushTlb(true);
    } else if ((changed & CR4_DE) != 0) {
      modeChanged();
    }
    trapCr(4, v);
  }

  /** Sets the protection-key rights. */
  public final void writePkru(int v) {
    if (v != pkru) {
      pkru = v;
      if ((cr4 & CR4_PKE) != 0) {
        flushTlb(true);
      }
    }
  }

  private void writePkrs(long v) {
    require("pks");
    if (v >>> 32 != 0) {
      gp(0);
    }
    if ((int) v != pkrs) {
      pkrs = (int) v;
      flushTlb(true);
    }
  }

  /** {@return the bits of XCR0 that the processor has} */
  private long xcr0Supported() {
    return 3
        | (features.has("avx") ? 4 : 0)
        | (features.has("avx512f") ? XsaveLayout.AVX512 : 0)
        | (features.has("pku") ? 1 << XsaveLayout.PKRU : 0);
  }

  /** XSETBV of XCR0. */
  public final void writeXcr0(long v) {
    if (!XsaveLayout.legal(v, xcr0Supported())) {
      gp(0);
    }
    xcr0 = v;
  }

  /** MOV to CR8. */
  public final void writeCr8(long v) {
    if ((v & ~15L) != 0) {
      gp(0);
    }
    cr8 = v;
    trapCr(8, v);
  }

  private void writeEfer(long v) {
    long allowed = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_SVME | EFER_FFXSR;
    allowed |= features.has("auto-ibrs") ? EFER_AIBRSE : 0;
    if ((v & ~allowed) != 0) {
      gp(0);
    }
    // SVME cannot be changed by a guest of SEV-ES; LMA is the processor's own.
    long next = v & ~(EFER_LMA | EFER_SVME) | efer & (EFER_LMA | EFER_SVME);
    if (((next ^ efer) & EFER_LME) != 0 && (cr0 & CR0_PG) != 0) {
      gp(0);
    }
    boolean nx = ((next ^ efer) & EFER_NXE) != 0;
    efer = next;
    if (nx) {
      flushTlb(true);
    }
    modeChanged();
    if (intercepts.wants(ExitCode.EFER_WRITE_TRAP)) {
      exitAfter(ExitCode.EFER_WRITE_TRAP, next, 0);
    }
  }

  private long canonicalOrGp(long v) {
    if (!canonicalBase(v)) {
      gp(0);
    }
    return v;
  }

  /** RDMSR of a register that is not intercepted. */
  public final long readMsr(int msr) {
    return switch (msr) {
      case Msr.TSC -> tsc();
      case Msr.SYSENTER_CS -> sysenterCs;
      case Msr.SYSENTER_ESP -> sysenterEsp;
      case Msr.SYSENTER_EIP -> sysenterEip;
      case Msr.DEBUGCTL -> debugCtl;
      case Msr.PAT -> pat;
      case Msr.EFER -> efer;
      case Msr.STAR -> star;
      case Msr.LSTAR -> lstar;
      case Msr.CSTAR -> cstar;
      case Msr.SFMASK -> sfmask;
      case Msr.FS_BASE -> segBase[FS];
      case Msr.GS_BASE -> segBase[GS];
      case Msr.KERNEL_GS_BASE -> kernelGsBase;
      case Msr.TSC_AUX -> tscAux;
      case Msr.SEV_GHCB -> {
        if (!intercepts.es) {
          gp(0);
        }
        if (observer != null) {
          observer.onGhcbMsr(self(), false, ghcbMsr);
        }
        yield ghcbMsr;
      }
      case Msr.SEV_STATUS -> sevStatus;
      case Msr.VIRTUAL_TOM -> {
        requireVirtualTop();
        yield virtualTop();
      }
      case Msr.XSS -> {
        require("xsaves");
        yield xss;
      }
      case Msr.SPEC_CTRL -> {
        require("spec-ctrl");
        yield specCtrl;
      }
      case Msr.PKRS -> {
        require("pks");
        yield pkrs & 0xFFFF_FFFFL;
      }
      case Msr.GUEST_TSC_FREQ -> {
        SecureTsc s = secureTsc;
        if (s == null) {
          gp(0);
        }
        yield s == null ? 0 : s.megahertz();
      }
      case Msr.MPERF, Msr.APERF -> cycles();
      // Read-only identity of the processor, for hosts that pass it through: TscFreqSel, and a
      // P-state of 1 GHz (CpuFid 0x28 of 25 MHz steps, divisor 8 eighths).
      case Msr.HWCR -> 1L << 24;
      case Msr.PSTATE0 -> 1L << 63 | 8 << 8 | 0x28;
      default -> {
        gp(0);
        yield 0;
      }
    };
  }

  /** WRMSR of a register that is not intercepted. */
  public final void writeMsr(int msr, long v) {
    switch (msr) {
      case Msr.SYSENTER_CS -> sysenterCs = v & 0xFFFF_FFFFL;
      // Legacy mode alone has SYSENTER here, which takes 32 bits of these.
      case Msr.SYSENTER_ESP -> sysenterEsp = v;
      case Msr.SYSENTER_EIP -> sysenterEip = v;
      case Msr.DEBUGCTL -> debugCtl = v & 0x7F;
      case Msr.PAT -> {
        for (int i = 0; i < 64; i += 8) {
          int t = (int) (v >>> i) & 0xFF;
          if (t > 7 || t == 2 || t == 3) {
            gp(0);
          }
        }
        pat = v;
      }
      case Msr.EFER -> writeEfer(v);
      case Msr.STAR -> star = v;
      case Msr.LSTAR -> lstar = canonicalOrGp(v);
      case Msr.CSTAR -> cstar = canonicalOrGp(v);
      case Msr.SFMASK -> sfmask = v & 0xFFFF_FFFFL;
      case Msr.FS_BASE -> {
        segBase[FS] = canonicalOrGp(v);
        modeChanged();
      }
      case Msr.GS_BASE -> {
        segBase[GS] = canonicalOrGp(v);
        modeChanged();
      }
      case Msr.KERNEL_GS_BASE -> kernelGsBase = canonicalOrGp(v);
      case Msr.TSC_AUX -> tscAux = v & 0xFFFF_FFFFL;
      case Msr.SEV_GHCB -> {
        if (!intercepts.es) {
          gp(0);
        }
        ghcbMsr = v;
        if (observer != null) {
          observer.onGhcbMsr(self(), true, v);
        }
      }
      case Msr.VIRTUAL_TOM -> {
        requireVirtualTop();
        if ((v & VTOM_RESERVED) != 0) {
          gp(0);
        }
        setVirtualTop(v);
      }
      case Msr.PKRS -> writePkrs(v);
      case Msr.SPEC_CTRL -> {
        require("spec-ctrl");
        // IBRS, STIBP, SSBD, PSFD.
        if ((v & ~0x87L) != 0) {
          gp(0);
        }
        specCtrl = (int) v;
      }
      case Msr.PRED_CMD -> {
        require("ibpb");
        if ((v & ~1L) != 0) {
          gp(0);
        }
        if (v != 0) {
          forgetBranches();
        }
      }
      case Msr.XSS -> {
        require("xsaves");
        // No supervisor state component is there to be enabled.
        if (v != 0) {
          gp(0);
        }
        xss = v;
      }
      default -> gp(0);
    }
  }

  private void requireVirtualTop() {
    if (virtualTop() == NO_VTOM) {
      gp(0);
    }
  }

  private void require(String feature) {
    if (!features.has(feature)) {
      gp(0);
    }
  }

  /** B3 to B0, which each breakpoint and general detect sets anew (AMD APM volume 2, 13.1.1.3). */
  static final long DR6_BREAKPOINTS = 15;

  private static final long DR6_BD = 0x2000;

  /** {@return a debug register} CR4.DE decides about DR4 and DR5. */
  public final long readDr(int n) {
    checkDr(n);
    return dr[n == 4 ? 6 : n == 5 ? 7 : n];
  }

  private void checkDr(int n) {
    if (n > 7 || (n == 4 || n == 5) && (cr4 & CR4_DE) != 0) {
      ud();
    }
    if ((dr[7] & DR7_GD) != 0) {
      dr[6] = dr[6] & ~DR6_BREAKPOINTS | DR6_BD;
      fault(DEBUG, -1);
    }
  }

  /** MOV to a debug register. */
  public final void writeDr(int number, long v) {
    checkDr(number);
    int n = number == 4 ? 6 : number == 5 ? 7 : number;
    if (n >= 6 && v >>> 32 != 0) {
      gp(0);
    }
    dr[n] =
        switch (n) {
          case 6 -> v & 0xE00F | 0xFFFF_0FF0L;
          case 7 -> v & 0xFFFF_2BFFL | 0x400;
          default -> v;
        };
    modeChanged();
  }
}
