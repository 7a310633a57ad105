package dev.vesper.machine.vmm;

import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.sev.VmsaField;
import dev.vesper.x86.Msr;
import java.util.OptionalLong;

/**
 * MSRs that vmm(4) emulates (spec: openbsd section 3.4, end). An empty answer means #GP; writes
 * that it does not know are dropped.
 */
final class VmmMsrs {
  private static final long SVME = 0x1000;

  /** Bit 0 of KVM_SYSTEM_TIME: the clock is on. */
  private static final long ENABLED = 1;

  private static final int PVCLOCK_SIZE = 32;
  private static final int WALL_CLOCK_SIZE = 12;
  private static final int PAGE = 4096;
  private static final int TSC_STABLE = 1;

  /** 10^9 * 2^20 by the frequency of the TSC, and the shift that goes with it. */
  private static final long MULTIPLIER = 1 << 20;

  private static final int SHIFT = 12;

  private final OpenBsdProfile profile;
  private final VmmHandlers handlers;
  private final HostView memory;
  private final boolean tscFrequency;
  private final long booted;
  private long pat = 0x0007_0406_0007_0406L;
  private long systemTime;
  private long version;

  /**
   * @param tscFrequency whether the host knows how fast its TSC is
   * @param booted when the host was booted, in seconds since 1970
   */
  VmmMsrs(OpenBsdProfile profile, VmmHandlers handlers, boolean tscFrequency, long booted) {
    this.profile = profile;
    this.handlers = handlers;
    memory = handlers.memory();
    this.tscFrequency = tscFrequency;
    this.booted = booted;
  }

  /** {@return the number, or -1 for one that no register can have} */
  private static int number(long rcx) {
    return rcx >>> 32 == 0 ? (int) rcx : -1;
  }

  OptionalLong read(long rcx) {
    return switch (number(rcx)) {
      case Msr.PATCH_LEVEL, Msr.PLATFORM_ID, Msr.INT_PENDING -> OptionalLong.of(0);
      case Msr.SYSCFG ->
          profile.since(OpenBsdProfile.State.YEAR_2026) ? OptionalLong.of(0) : OptionalLong.empty();
      case Msr.PAT -> OptionalLong.of(pat);
      // LFENCE serialises.
      case Msr.DE_CFG -> OptionalLong.of(2);
      default -> OptionalLong.empty();
    };
  }

  private static boolean legalPat(long v) {
    for (int i = 0; i < 64; i += 8) {
      long t = v >>> i & 0xFF;
      if (t > 7 || t == 2 || t == 3) {
        return false;
      }
    }
    return true;
  }

  /** {@return whether the write is accepted; else #GP} */
  boolean write(HostVcpu v, long rcx, long value) {
    switch (number(rcx)) {
      case Msr.PAT -> {
        if (!legalPat(value)) {
          return false;
        }
        pat = value;
      }
      case Msr.EFER -> v.cpu.vmcb().save(VmsaField.EFER, value | SVME);
      case Msr.KVM_SYSTEM_TIME_NEW -> {
        // The instruction counts as executed although it faults.
        if (reaches(value & -16, PVCLOCK_SIZE)) {
          systemTime = value;
          update(v);
        } else {
          handlers.injectGeneralProtection(v);
        }
      }
      case Msr.KVM_WALL_CLOCK_NEW -> wallClock(v, value);
      default -> {
        // logged and dropped
      }
    }
    return true;
  }

  /** {@return whether a record lies in memory, not at its very end, and in one page} */
  private boolean reaches(long address, int bytes) {
    return memory.contains(address, bytes + 1) && (address & PAGE - 1) + bytes <= PAGE;
  }

  /** vmm_pv_wall_clock: when the host was booted, which is when virtual time began. */
  private void wallClock(HostVcpu v, long address) {
    if (!reaches(address, WALL_CLOCK_SIZE)) {
      handlers.injectGeneralProtection(v);
      return;
    }
    memory.write(address + 4, 4, booted);
    memory.write(address + 8, 4, 0);
    memory.write(address, 4, (memory.read(address, 4) | 1) + 1);
  }

  /** Brings the guest's pvclock page up to date, before each VMRUN. */
  void update(HostVcpu v) {
    long at = systemTime & -16;
    if ((systemTime & ENABLED) == 0) {
      return;
    }
    version += 2;
    memory.write(at, 4, version);
    memory.write(at + 8, 8, Hypervisor.guestTsc(v));
    memory.write(at + 16, 8, v.cpu.now());
    memory.write(at + 24, 4, tscFrequency ? MULTIPLIER : 0);
    memory.write(at + 28, 1, SHIFT);
    memory.write(at + 29, 1, TSC_STABLE);
  }
}
