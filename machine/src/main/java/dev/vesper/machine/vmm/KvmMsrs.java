package dev.vesper.machine.vmm;

import dev.vesper.machine.device.LocalApic;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.sev.Vmcb;
import java.util.OptionalLong;

/**
 * Model-specific registers that KVM answers for a guest with an AMD processor: which there are,
 * what they start with, and what may be written (Linux 6.12, arch/x86/kvm: svm.c, x86.c, mtrr.c,
 * pmu.c; the table is in docs/msrs.md). An empty answer means #GP.
 */
final class KvmMsrs {
  private static final int TSC = 0x10;
  private static final int PLATFORM_ID = 0x17;
  private static final int APIC_BASE = 0x1B;
  private static final int EBL_CR_POWERON = 0x2A;
  private static final int EBC_FREQUENCY_ID = 0x2C;
  private static final int SMI_COUNT = 0x34;
  private static final int TSC_ADJUST = 0x3B;
  private static final int PATCH_WRITE = 0x79;
  private static final int PATCH_LEVEL = 0x8B;
  private static final int P6_COUNTER0 = 0xC1;
  private static final int P6_COUNTER1 = 0xC2;
  private static final int FSB_FREQUENCY = 0xCD;
  private static final int PLATFORM_INFO = 0xCE;
  private static final int BBL_CR_CTL3 = 0x11E;
  private static final int MISC_FEATURES_ENABLES = 0x140;
  private static final int P6_CONTROL0 = 0x186;
  private static final int P6_CONTROL1 = 0x187;
  private static final int PERF_STATUS = 0x198;
  private static final int PERF_CONTROL = 0x199;
  private static final int MISC_ENABLE = 0x1A0;
  private static final int LAST_BRANCH_FROM = 0x1DB;
  private static final int LAST_BRANCH_TO = 0x1DC;
  private static final int LAST_EXCEPTION_FROM = 0x1DD;
  private static final int LAST_EXCEPTION_TO = 0x1DE;
  private static final int POWER_CONTROL = 0x1FC;
  private static final int POWER_UNIT = 0x606;
  private static final int PACKAGE_ENERGY = 0x611;
  private static final int MEMORY_ENERGY = 0x619;
  private static final int CORE_ENERGY = 0x639;
  private static final int GRAPHICS_ENERGY = 0x641;
  private static final int TSC_DEADLINE = 0x6E0;
  private static final int SYSCFG = 0xC001_0010;
  private static final int HWCR = 0xC001_0015;
  private static final int CLOCK_CONTROL = 0xC001_001B;
  private static final int NB_CFG = 0xC001_001F;
  private static final int PATCH_LOADER = 0xC001_0020;
  private static final int INT_PENDING = 0xC001_0055;
  private static final int MMIO_CFG_BASE = 0xC001_0058;
  private static final int TSEG_BASE = 0xC001_0112;
  private static final int TSEG_MASK = 0xC001_0113;
  private static final int VM_CR = 0xC001_0114;
  private static final int IGNNE = 0xC001_0115;
  private static final int VM_HSAVE_PA = 0xC001_0117;
  private static final int OSVW_ID_LENGTH = 0xC001_0140;
  private static final int OSVW_STATUS = 0xC001_0141;
  private static final int IC_CFG = 0xC001_1021;
  private static final int DC_CFG = 0xC001_1022;
  private static final int TW_CFG = 0xC001_1023;
  private static final int DE_CFG = 0xC001_1029;
  private static final int BU_CFG2 = 0xC001_102A;
  private static final int EX_CFG = 0xC001_102C;

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
      case TSC -> OptionalLong.of(Hypervisor.guestTsc(v));
      case TSC_ADJUST -> OptionalLong.of(k.tscAdjust);
      case APIC_BASE -> v.apic == null ? OptionalLong.empty() : OptionalLong.of(v.apic.base());
      case TSC_DEADLINE ->
          v.apic == null || v.apic.deadline() == 0
              ? OptionalLong.of(0)
              : OptionalLong.of(v.apic.deadline() + tscOffset(v));
      case PATCH_LEVEL -> OptionalLong.of(PATCH);
      case HWCR -> OptionalLong.of(k.hwcr);
      case DE_CFG -> OptionalLong.of(k.deCfg);
      case MISC_ENABLE -> OptionalLong.of(k.miscEnable);
      case MISC_FEATURES_ENABLES -> OptionalLong.of(k.miscFeatures);
      case POWER_CONTROL -> OptionalLong.of(k.powerControl);
      case PLATFORM_INFO -> OptionalLong.of(CPUID_FAULTING);
      case PERF_STATUS -> OptionalLong.of(PERFORMANCE);
      case FSB_FREQUENCY -> OptionalLong.of(3);
      case EBC_FREQUENCY_ID -> OptionalLong.of(1 << 24);
      case CLOCK_CONTROL -> OptionalLong.of(0x2000_0000);
      case BBL_CR_CTL3 -> OptionalLong.of(0xBE70_2111L);
      case VM_HSAVE_PA -> OptionalLong.of(k.hostSave);
      case VM_CR -> OptionalLong.of(k.vmCr);
      case OSVW_ID_LENGTH -> osvw ? OptionalLong.of(k.osvwLength) : OptionalLong.empty();
      case OSVW_STATUS -> osvw ? OptionalLong.of(k.osvwStatus) : OptionalLong.empty();
      // Registers that a guest may look at and that mean nothing here.
      case PLATFORM_ID,
          EBL_CR_POWERON,
          SMI_COUNT,
          P6_COUNTER0,
          P6_COUNTER1,
          P6_CONTROL0,
          P6_CONTROL1,
          PERF_CONTROL,
          LAST_BRANCH_FROM,
          LAST_BRANCH_TO,
          LAST_EXCEPTION_FROM,
          LAST_EXCEPTION_TO,
          POWER_UNIT,
          PACKAGE_ENERGY,
          MEMORY_ENERGY,
          CORE_ENERGY,
          GRAPHICS_ENERGY,
          SYSCFG,
          NB_CFG,
          INT_PENDING,
          MMIO_CFG_BASE,
          TSEG_BASE,
          TSEG_MASK,
          IC_CFG,
          DC_CFG,
          TW_CFG,
          BU_CFG2,
          EX_CFG ->
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

  private static boolean x2Apic(int msr) {
    return msr >= LocalApic.X2_BASE && msr < LocalApic.X2_BASE + 0x100;
  }

  /** {@return whether CPUID is #GP outside of the kernel} */
  static boolean cpuidFaults(HostVcpu v) {
    return (v.kvm.miscFeatures & 1) != 0;
  }

  /** {@return whether the write is accepted} */
  boolean write(HostVcpu vcpu, int msr, long v) {
    KvmVcpu k = vcpu.kvm;
    switch (msr) {
      case TSC -> moveTsc(vcpu, v - Hypervisor.guestTsc(vcpu));
      case TSC_ADJUST -> {
        if (adjustable) {
          moveTsc(vcpu, v - k.tscAdjust);
        }
      }
      case TSC_DEADLINE -> {
        if (vcpu.apic != null) {
          long at = v == 0 ? 0 : Math.max(1, v - tscOffset(vcpu));
          vcpu.apic.setDeadline(at, vcpu.cpu.now());
        }
      }
      case APIC_BASE -> {
        long reserved = -1L << width | APIC_BASE_RESERVED | (x2Apic ? 0 : LocalApic.EXTENDED);
        return vcpu.apic != null && vcpu.apic.setBase(v, reserved);
      }
      case HWCR -> {
        long kept = v & ~HWCR_IGNORED;
        if ((kept & ~(STATUS_WRITABLE | TSC_FREQUENCY_SELECT)) != 0) {
          return false;
        }
        k.hwcr = kept;
      }
      case MISC_ENABLE -> {
        if (((v ^ k.miscEnable) & MISC_ENABLE_FIXED) != 0) {
          return false;
        }
        k.miscEnable = v & ~MISC_ENABLE_KEPT | k.miscEnable & MISC_ENABLE_KEPT;
      }
      case MISC_FEATURES_ENABLES -> {
        if ((v & ~1L) != 0) {
          return false;
        }
        k.miscFeatures = v;
      }
      case POWER_CONTROL -> k.powerControl = v;
      case DE_CFG -> {
        if ((v & ~LFENCE) != 0) {
          return false;
        }
        k.deCfg = v;
      }
      case OSVW_ID_LENGTH -> {
        k.osvwLength = v;
        return osvw;
      }
      case OSVW_STATUS -> {
        k.osvwStatus = v;
        return osvw;
      }
      case MMIO_CFG_BASE -> {
        return v == 0;
      }
      case VM_HSAVE_PA -> {
        if ((v & 0xFFF) != 0 || v >>> width != 0) {
          return false;
        }
        k.hostSave = v;
      }
      case VM_CR -> {
        if ((v & ~VM_CR_BITS) != 0) {
          return false;
        }
        long locked = (k.vmCr & SVM_DISABLE) != 0 ? SVM_LOCK_AND_DISABLE : 0;
        k.vmCr = k.vmCr & locked | v & ~locked;
      }
      // Writes without effect.
      case PATCH_WRITE,
          PATCH_LEVEL,
          P6_COUNTER0,
          P6_COUNTER1,
          P6_CONTROL0,
          P6_CONTROL1,
          BBL_CR_CTL3,
          CLOCK_CONTROL,
          NB_CFG,
          PATCH_LOADER,
          IGNNE,
          DC_CFG,
          TW_CFG,
          BU_CFG2,
          EX_CFG -> {
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
