package dev.vesper.machine.vmm;

import dev.vesper.machine.device.LocalApic;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.x86.Msr;
import java.util.OptionalLong;

/**
 * Model-specific registers that KVM answers for a guest with an AMD processor: which there are,
 * what they start with, and what may be written (Linux 6.12, arch/x86/kvm: svm.c, x86.c, mtrr.c,
 * pmu.c; the table is in docs/msrs.md). An empty answer means #GP.
 */
final class KvmMsrs {
  /** What QEMU says of an AMD processor's microcode. */
  private static final long PATCH = 0x0100_0065;

  /** LFENCE serialises. */
  private static final long LFENCE = 2;

  /** CPUID faulting can be had. */
  private static final long CPUID_FAULTING = 1L << 31;

  /** Ticks of the time-stamp counter are counted by 1,000, and the multiplier is 4. */
  private static final long PERFORMANCE = 1000 | 4L << 40;

  private static final long STATUS_WRITABLE = 1 << 18;

  /** The time-stamp counter runs at the P0 frequency. */
  private static final long TSC_FREQUENCY_SELECT = 1 << 24;

  /** Flush filter, IGNNE emulation, TLB cache: writes are dropped. */
  private static final long HWCR_IGNORED = 0x148;

  /** Counters, and profiling, are not available: read-only. */
  private static final long MISC_ENABLE_FIXED = 0x1800;

  /** Performance monitoring: writes are dropped. */
  private static final long MISC_ENABLE_KEPT = 0x80;

  private static final long VM_CR_BITS = 0x1F;
  private static final long SVM_LOCK_AND_DISABLE = 0x18;
  private static final long SVM_DISABLE = 0x10;

  /** Bits of the local APIC's base register that are reserved, but those of the address. */
  private static final long APIC_BASE_RESERVED = 0x2FF;

  private final boolean x2Apic;
  private final boolean osvw;
  private final boolean adjustable;
  private final int width;
  final KvmClock clock;

  KvmMsrs(Hypervisor host) {
    CpuModel m = host.model;
    x2Apic = m.has("x2apic");
    osvw = m.has("osvw");
    adjustable = m.has("tsc-adjust");
    width = m.leaf(0x8000_0008, 0).eax() & 0xFF;
    clock = new KvmClock(host.memory, host.platform.startSeconds());
  }

  /** Sets what a vCPU starts with. */
  void created(HostVcpu v, boolean firmwareHasRun) {
    v.kvm.mtrrs = new MtrrState(firmwareHasRun, width);
  }

  OptionalLong read(HostVcpu v, int msr) {
    KvmVcpu k = v.kvm;
    return switch (msr) {
      case Msr.TSC -> OptionalLong.of(Hypervisor.guestTsc(v));
      case Msr.TSC_ADJUST -> OptionalLong.of(k.tscAdjust);
      case Msr.APIC_BASE -> v.apic == null ? OptionalLong.empty() : OptionalLong.of(v.apic.base());
      case Msr.TSC_DEADLINE ->
          v.apic == null || v.apic.deadline() == 0
              ? OptionalLong.of(0)
              : OptionalLong.of(Hypervisor.guestTsc(v, v.apic.deadline()));
      case Msr.PATCH_LEVEL -> OptionalLong.of(PATCH);
      case Msr.HWCR -> OptionalLong.of(k.hwcr);
      case Msr.DE_CFG -> OptionalLong.of(k.deCfg);
      case Msr.MISC_ENABLE -> OptionalLong.of(k.miscEnable);
      case Msr.MISC_FEATURES_ENABLES -> OptionalLong.of(k.miscFeatures);
      case Msr.POWER_CTL -> OptionalLong.of(k.powerControl);
      case Msr.PLATFORM_INFO -> OptionalLong.of(CPUID_FAULTING);
      case Msr.PERF_STATUS -> OptionalLong.of(PERFORMANCE);
      case Msr.FSB_FREQ -> OptionalLong.of(3);
      case Msr.EBC_FREQUENCY_ID -> OptionalLong.of(1 << 24);
      case Msr.CLK_CTL -> OptionalLong.of(0x2000_0000);
      case Msr.BBL_CR_CTL3 -> OptionalLong.of(0xBE70_2111L);
      case Msr.VM_HSAVE_PA -> OptionalLong.of(k.hostSave);
      case Msr.VM_CR -> OptionalLong.of(k.vmCr);
      case Msr.OSVW_ID_LENGTH -> osvw ? OptionalLong.of(k.osvwLength) : OptionalLong.empty();
      case Msr.OSVW_STATUS -> osvw ? OptionalLong.of(k.osvwStatus) : OptionalLong.empty();
      // Registers that a guest may look at and that mean nothing here.
      case Msr.PLATFORM_ID,
          Msr.EBL_CR_POWERON,
          Msr.SMI_COUNT,
          Msr.P6_PERFCTR0,
          Msr.P6_PERFCTR1,
          Msr.P6_EVNTSEL0,
          Msr.P6_EVNTSEL1,
          Msr.PERF_CTL,
          Msr.LAST_BRANCH_FROM_IP,
          Msr.LAST_BRANCH_TO_IP,
          Msr.LAST_INT_FROM_IP,
          Msr.LAST_INT_TO_IP,
          Msr.RAPL_POWER_UNIT,
          Msr.PKG_ENERGY_STATUS,
          Msr.DRAM_ENERGY_STATUS,
          Msr.PP0_ENERGY_STATUS,
          Msr.PP1_ENERGY_STATUS,
          Msr.SYSCFG,
          Msr.NB_CFG,
          Msr.INT_PENDING,
          Msr.MMIO_CFG_BASE,
          Msr.TSEG_BASE,
          Msr.TSEG_MASK,
          Msr.IC_CFG,
          Msr.DC_CFG,
          Msr.TW_CFG,
          Msr.BU_CFG2,
          Msr.EX_CFG ->
          OptionalLong.of(0);
      default -> readOther(v, msr);
    };
  }

  private OptionalLong readOther(HostVcpu v, int msr) {
    if (x2Apic(msr)) {
      return v.apic == null ? OptionalLong.empty() : v.apic.readMsr(msr, v.cpu.now());
    }
    OptionalLong r = v.counters.read(msr, v.cpu);
    if (r.isEmpty()) {
      r = v.machineChecks.read(msr);
    }
    if (r.isEmpty()) {
      r = clock.read(v, msr);
    }
    return r.isEmpty() ? v.kvm.mtrrs.read(msr) : r;
  }

  private static long tscOffset(HostVcpu v) {
    return v.cpu.vmcb().get(Vmcb.TSC_OFFSET);
  }

  private void moveTsc(HostVcpu v, long by) {
    v.cpu.vmcb().set(Vmcb.TSC_OFFSET, tscOffset(v) + by);
    v.kvm.tscAdjust += by;
    clock.tell(v);
  }

  /** The counter of a guest with Secure TSC is not the host's to move. */
  private void writeTsc(HostVcpu v, long count) {
    if (v.secureTsc == null) {
      moveTsc(v, count - Hypervisor.guestTsc(v));
    }
  }

  private static boolean x2Apic(int msr) {
    return msr >= Msr.X2APIC && msr < Msr.X2APIC + 0x100;
  }

  /** {@return whether CPUID is #GP outside of the kernel} */
  static boolean cpuidFaults(HostVcpu v) {
    return (v.kvm.miscFeatures & 1) != 0;
  }

  /** {@return whether the write is accepted} */
  boolean write(HostVcpu vcpu, int msr, long v) {
    KvmVcpu k = vcpu.kvm;
    switch (msr) {
      case Msr.TSC -> writeTsc(vcpu, v);
      case Msr.TSC_ADJUST -> {
        if (adjustable) {
          moveTsc(vcpu, v - k.tscAdjust);
        }
      }
      case Msr.TSC_DEADLINE -> {
        if (vcpu.apic != null) {
          long at = v == 0 ? 0 : Math.max(1, Hypervisor.timeOfTsc(vcpu, v));
          vcpu.apic.setDeadline(at, vcpu.cpu.now());
        }
      }
      case Msr.APIC_BASE -> {
        long reserved = -1L << width | APIC_BASE_RESERVED | (x2Apic ? 0 : LocalApic.EXTENDED);
        return vcpu.apic != null && vcpu.apic.setBase(v, reserved);
      }
      case Msr.HWCR -> {
        long kept = v & ~HWCR_IGNORED;
        if ((kept & ~(STATUS_WRITABLE | TSC_FREQUENCY_SELECT)) != 0) {
          return false;
        }
        k.hwcr = kept;
      }
      case Msr.MISC_ENABLE -> {
        if (((v ^ k.miscEnable) & MISC_ENABLE_FIXED) != 0) {
          return false;
        }
        k.miscEnable = v & ~MISC_ENABLE_KEPT | k.miscEnable & MISC_ENABLE_KEPT;
      }
      case Msr.MISC_FEATURES_ENABLES -> {
        if ((v & ~1L) != 0) {
          return false;
        }
        k.miscFeatures = v;
      }
      case Msr.POWER_CTL -> k.powerControl = v;
      case Msr.DE_CFG -> {
        if ((v & ~LFENCE) != 0) {
          return false;
        }
        k.deCfg = v;
      }
      case Msr.OSVW_ID_LENGTH -> {
        k.osvwLength = v;
        return osvw;
      }
      case Msr.OSVW_STATUS -> {
        k.osvwStatus = v;
        return osvw;
      }
      case Msr.MMIO_CFG_BASE -> {
        return v == 0;
      }
      case Msr.VM_HSAVE_PA -> {
        if ((v & 0xFFF) != 0 || v >>> width != 0) {
          return false;
        }
        k.hostSave = v;
      }
      case Msr.VM_CR -> {
        if ((v & ~VM_CR_BITS) != 0) {
          return false;
        }
        long locked = (k.vmCr & SVM_DISABLE) != 0 ? SVM_LOCK_AND_DISABLE : 0;
        k.vmCr = k.vmCr & locked | v & ~locked;
      }
      // Writes without effect.
      case Msr.BIOS_UPDT_TRIG,
          Msr.PATCH_LEVEL,
          Msr.P6_PERFCTR0,
          Msr.P6_PERFCTR1,
          Msr.P6_EVNTSEL0,
          Msr.P6_EVNTSEL1,
          Msr.BBL_CR_CTL3,
          Msr.CLK_CTL,
          Msr.NB_CFG,
          Msr.PATCH_LOADER,
          Msr.IGNNE,
          Msr.DC_CFG,
          Msr.TW_CFG,
          Msr.BU_CFG2,
          Msr.EX_CFG -> {
        // as KVM drops them
      }
      default -> {
        return writeOther(vcpu, msr, v);
      }
    }
    return true;
  }

  private boolean writeOther(HostVcpu vcpu, int msr, long v) {
    if (x2Apic(msr)) {
      return vcpu.apic != null && vcpu.apic.writeMsr(msr, v, vcpu.cpu.now());
    }
    return vcpu.counters.write(msr, v, vcpu.cpu)
        || vcpu.machineChecks.write(msr, v, (vcpu.kvm.hwcr & STATUS_WRITABLE) != 0)
        || clock.write(vcpu, msr, v)
        || vcpu.kvm.mtrrs.write(msr, v);
  }
}
