package dev.vesper.machine.vmm;

import dev.vesper.machine.launch.SecureTsc;
import dev.vesper.machine.launch.SecureTsc.TickLength;
import dev.vesper.machine.memory.HostView;
import dev.vesper.x86.Msr;
import java.util.OptionalLong;

/**
 * KVM's own MSRs and the memory behind them (Linux, Documentation/virt/kvm/x86/msr.rst): the wall
 * clock, the clock of each vCPU, and state without effect here: no page fault is asynchronous, no
 * time is stolen, every EOI is asked for.
 */
final class KvmClock {
  /** Bit 0 of an address: on. */
  private static final long ENABLED = 1;

  private static final int CLOCK_BYTES = 32;
  private static final int WALL_CLOCK_BYTES = 12;
  private static final int PAIRING_BYTES = 64;

  /** All vCPUs' counters agree. */
  private static final int TSC_STABLE = 1;

  /** Turns ticks of 1 GHz into nanoseconds. */
  private static final TickLength NANOSECOND = new TickLength(0x8000_0000L, 1);

  private static final long NANOS = 1_000_000_000L;
  private static final long ASYNC_PF_RESERVED = 0x30;
  private static final long STEAL_RESERVED = 0x3E;

  /** What one vCPU has written. */
  static final class Registers {
    private long systemTime;
    private long asyncPf;
    private long asyncPfInterrupt;
    private long stealTime;
    private long eoi;
    private long poll = 1;
    private long version;
  }

  private final HostView memory;
  private final long startSeconds;
  private long wallClock;

  /**
   * @param startSeconds date and time at virtual time 0, in seconds since 1970
   */
  KvmClock(HostView memory, long startSeconds) {
    this.memory = memory;
    this.startSeconds = startSeconds;
  }

  OptionalLong read(HostVcpu v, int msr) {
    Registers s = v.kvm.clock;
    return switch (msr) {
      case Msr.KVM_WALL_CLOCK, Msr.KVM_WALL_CLOCK_NEW -> OptionalLong.of(wallClock);
      case Msr.KVM_SYSTEM_TIME, Msr.KVM_SYSTEM_TIME_NEW -> OptionalLong.of(s.systemTime);
      case Msr.KVM_ASYNC_PF_EN -> OptionalLong.of(s.asyncPf);
      case Msr.KVM_ASYNC_PF_INT -> OptionalLong.of(s.asyncPfInterrupt);
      case Msr.KVM_ASYNC_PF_ACK -> OptionalLong.of(0);
      case Msr.KVM_STEAL_TIME -> OptionalLong.of(s.stealTime);
      case Msr.KVM_PV_EOI_EN -> OptionalLong.of(s.eoi);
      case Msr.KVM_POLL_CONTROL -> OptionalLong.of(s.poll);
      default -> OptionalLong.empty();
    };
  }

  /** {@return whether the write is accepted; else the register is none of these, or #GP} */
  boolean write(HostVcpu v, int msr, long value) {
    Registers s = v.kvm.clock;
    switch (msr) {
      case Msr.KVM_WALL_CLOCK, Msr.KVM_WALL_CLOCK_NEW -> {
        wallClock = value;
        tellWallClock();
      }
      case Msr.KVM_SYSTEM_TIME, Msr.KVM_SYSTEM_TIME_NEW -> {
        s.systemTime = value;
        tell(v);
      }
      case Msr.KVM_ASYNC_PF_EN -> {
        if ((value & ASYNC_PF_RESERVED) != 0) {
          return false;
        }
        s.asyncPf = value;
      }
      case Msr.KVM_ASYNC_PF_INT -> {
        if (value >>> 8 != 0) {
          return false;
        }
        s.asyncPfInterrupt = value;
      }
      case Msr.KVM_ASYNC_PF_ACK -> {
        // nothing waits
      }
      case Msr.KVM_STEAL_TIME -> {
        if ((value & STEAL_RESERVED) != 0) {
          return false;
        }
        s.stealTime = value;
      }
      case Msr.KVM_PV_EOI_EN -> {
        if ((value & 2) != 0) {
          return false;
        }
        s.eoi = value;
      }
      case Msr.KVM_POLL_CONTROL -> {
        if ((value & ~1L) != 0) {
          return false;
        }
        s.poll = value;
      }
      default -> {
        return false;
      }
    }
    return true;
  }

  /** Seconds and nanoseconds at which the vCPUs' clocks were 0. */
  private void tellWallClock() {
    if (wallClock != 0 && memory.contains(wallClock, WALL_CLOCK_BYTES)) {
      long old = memory.read(wallClock, 4);
      long version = old + (old & 1) + 2;
      memory.write(wallClock + 4, 4, startSeconds);
      memory.write(wallClock + 8, 4, 0);
      memory.write(wallClock, 4, version);
    }
  }

  /** Tells a vCPU its time, when it asks for that and when its time-stamp counter has changed. */
  void tell(HostVcpu v) {
    Registers s = v.kvm.clock;
    long at = s.systemTime & ~ENABLED;
    if ((s.systemTime & ENABLED) == 0 || !memory.contains(at, CLOCK_BYTES)) {
      return;
    }
    s.version += 2;
    memory.write(at, 4, s.version);
    memory.write(at + 4, 4, 0);
    memory.write(at + 8, 8, Hypervisor.guestTsc(v));
    memory.write(at + 16, 8, v.cpu.now());
    SecureTsc secure = v.secureTsc;
    TickLength tick = secure == null ? NANOSECOND : secure.tick();
    memory.write(at + 24, 4, tick.multiplier());
    memory.write(at + 28, 1, tick.shift());
    memory.write(at + 29, 1, TSC_STABLE);
    memory.write(at + 30, 2, 0);
  }

  /** Writes a pair of wall-clock time and time-stamp counter; {@return false without memory} */
  boolean pair(HostVcpu v, long address) {
    if (!memory.contains(address, PAIRING_BYTES)) {
      return false;
    }
    long now = v.cpu.now();
    memory.write(address, new byte[PAIRING_BYTES], 0, PAIRING_BYTES);
    memory.write(address, 8, startSeconds + now / NANOS);
    memory.write(address + 8, 8, now % NANOS);
    memory.write(address + 16, 8, Hypervisor.guestTsc(v));
    return true;
  }
}
