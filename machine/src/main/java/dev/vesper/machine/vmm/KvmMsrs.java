package dev.vesper.machine.vmm;

import dev.vesper.machine.device.LocalApic;
import dev.vesper.machine.sev.Vmcb;
import java.util.OptionalLong;

/** Model-specific registers that KVM emulates. An empty answer means #GP. */
final class KvmMsrs {
  private static final int TSC = 0x10;
  private static final int APIC_BASE = 0x1B;
  private static final long APIC_ENABLE = 0x800;
  private static final long APIC_BSP = 0x100;
  private static final long APIC_EXTENDED = 0x400;
  private static final int TSC_DEADLINE = 0x6E0;
  private static final int PATCH_LEVEL = 0x8B;
  private static final int SYSCFG = 0xC001_0010;
  private static final int HWCR = 0xC001_0015;
  private static final int INT_PENDING = 0xC001_0055;
  private static final int DE_CFG = 0xC001_1029;

  /** SmmLock, and TscFreqSel: the time-stamp counter runs at the P0 frequency. */
  private long hwcr = 1 | 1 << 24;

  /** Memory types have no effect here; the registers keep what is written to them. */
  private final MtrrState mtrrs = new MtrrState();

  OptionalLong read(HostVcpu v, int msr) {
    return switch (msr) {
      case TSC -> OptionalLong.of(Hypervisor.guestTsc(v));
      case APIC_BASE ->
          v.apic == null
              ? OptionalLong.empty()
              : OptionalLong.of(
                  LocalApic.BASE
                      | APIC_ENABLE
                      | (v.apic.x2Mode() ? APIC_EXTENDED : 0)
                      | (v.id == 0 ? APIC_BSP : 0));
      case TSC_DEADLINE ->
          v.apic == null || v.apic.deadline() == 0
              ? OptionalLong.of(0)
              : OptionalLong.of(v.apic.deadline() + tscOffset(v));
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
      default -> {
        if (v.apic != null && x2Apic(msr)) {
          yield v.apic.readMsr(msr, v.cpu.now());
        }
        OptionalLong r = v.counters.read(msr, v.cpu.now());
        if (r.isEmpty()) {
          r = v.machineChecks.read(msr);
        }
        yield r.isEmpty() ? mtrrs.read(msr) : r;
      }
    };
  }

  private static long tscOffset(HostVcpu v) {
    return v.cpu.vmcb().get(Vmcb.TSC_OFFSET);
  }

  private static final long STATUS_WRITABLE = 1 << 18;

  private static boolean x2Apic(int msr) {
    return msr >= LocalApic.X2_BASE && msr < LocalApic.X2_BASE + 0x100;
  }

  /** {@return whether the write is accepted} */
  boolean write(HostVcpu vcpu, int msr, long v) {
    switch (msr) {
      case TSC -> {
        vcpu.cpu.vmcb().set(Vmcb.TSC_OFFSET, v - vcpu.cpu.now());
        return true;
      }
      case TSC_DEADLINE -> {
        if (vcpu.apic != null) {
          long at = v == 0 ? 0 : Math.max(1, v - tscOffset(vcpu));
          vcpu.apic.setDeadline(at, vcpu.cpu.now());
        }
        return true;
      }
      case APIC_BASE -> {
        // The registers neither move in memory nor go away; they become MSRs.
        LocalApic apic = vcpu.apic;
        if (apic != null
            && !apic.x2Mode()
            && read(vcpu, msr).equals(OptionalLong.of(v & ~APIC_EXTENDED))
            && (v & APIC_EXTENDED) != 0) {
          apic.enterX2Mode();
        }
        return read(vcpu, msr).equals(OptionalLong.of(v));
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
        if (vcpu.apic != null && x2Apic(msr)) {
          return vcpu.apic.writeMsr(msr, v, vcpu.cpu.now());
        }
        return vcpu.counters.write(msr, v, vcpu.cpu.now())
            || vcpu.machineChecks.write(msr, v, (hwcr & STATUS_WRITABLE) != 0)
            || mtrrs.write(msr, v);
      }
    }
  }
}
