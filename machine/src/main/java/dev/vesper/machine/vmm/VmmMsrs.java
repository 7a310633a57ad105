package dev.vesper.machine.vmm;

import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.sev.Vmcb;
import java.util.OptionalLong;

/**
 * MSRs that vmm(4) emulates (spec: openbsd section 3.4, end). An empty answer means #GP; writes
 * that it does not know are dropped.
 */
final class VmmMsrs {
  private static final int PLATFORM_ID = 0x17;
  private static final int BIOS_SIGN = 0x8B;
  private static final int PAT = 0x277;
  private static final int EFER = 0xC000_0080;
  private static final int SYS_CFG = 0xC001_0010;
  private static final int INT_PEN_MSG = 0xC001_0055;
  private static final int DE_CFG = 0xC001_1029;
  private static final int KVM_WALL_CLOCK = 0x4B56_4D00;
  private static final int KVM_SYSTEM_TIME = 0x4B56_4D01;
  private static final long SVME = 0x1000;

  /** Bit 0 of KVM_SYSTEM_TIME: the clock is on. */
  private static final long ENABLED = 1;

  private static final int PVCLOCK_SIZE = 32;
  private static final int TSC_STABLE = 1;

  /** Multiplier and shift that turn ticks of 1 GHz into nanoseconds. */
  private static final long MULTIPLIER = 0x8000_0000L;

  private static final int SHIFT = 1;

  private final OpenBsdProfile profile;
  private final HostView memory;
  private final long startSeconds;
  private long pat = 0x0007_0406_0007_0406L;
  private long systemTime;
  private long version;

  VmmMsrs(OpenBsdProfile profile, HostView memory, long startSeconds) {
    this.profile = profile;
    this.memory = memory;
    this.startSeconds = startSeconds;
  }

  OptionalLong read(int msr) {
    return switch (msr) {
      case BIOS_SIGN, PLATFORM_ID, INT_PEN_MSG -> OptionalLong.of(0);
      case SYS_CFG ->
          profile.since(OpenBsdProfile.State.YEAR_2026) ? OptionalLong.of(0) : OptionalLong.empty();
      case PAT -> OptionalLong.of(pat);
      // LFENCE serialises.
      case DE_CFG -> OptionalLong.of(2);
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
  boolean write(HostVcpu v, int msr, long value) {
    switch (msr) {
      case PAT -> {
        if (!legalPat(value)) {
          return false;
        }
        pat = value;
      }
      case EFER -> v.cpu.vmcb().set(Vmcb.SAVE_AREA + 0x0D0, value | SVME);
      case KVM_SYSTEM_TIME -> {
        systemTime = value;
        update(v);
      }
      case KVM_WALL_CLOCK -> wallClock(v, value);
      default -> {
        // logged and dropped
      }
    }
    return true;
  }

  private void wallClock(HostVcpu v, long address) {
    if (memory.contains(address, 12)) {
      long now = v.cpu.now();
      memory.write(address, 4, 2);
      memory.write(address + 4, 4, startSeconds + now / 1_000_000_000L);
      memory.write(address + 8, 4, now % 1_000_000_000L);
    }
  }

  /** Brings the guest's pvclock page up to date, before each VMRUN. */
  void update(HostVcpu v) {
    long at = systemTime & ~ENABLED;
    if ((systemTime & ENABLED) == 0 || !memory.contains(at, PVCLOCK_SIZE)) {
      return;
    }
    version += 2;
    memory.write(at, 4, version);
    memory.write(at + 8, 8, Hypervisor.guestTsc(v));
    memory.write(at + 16, 8, v.cpu.now());
    memory.write(at + 24, 4, MULTIPLIER);
    memory.write(at + 28, 1, SHIFT);
    memory.write(at + 29, 1, TSC_STABLE);
  }
}
