package dev.vesper.machine.vmm;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.observe.HostObserver;
import dev.vesper.machine.sev.EncryptedVcpu;
import dev.vesper.machine.sev.PlainVcpu;
import dev.vesper.machine.sev.SevMode;
import dev.vesper.machine.sev.VirtualCpu;
import dev.vesper.machine.sev.Vmcb;
import org.jspecify.annotations.Nullable;

/**
 * The run loop of the {@code kvm} profile: VMRUN, exit handling, interrupt injection, idling. It
 * behaves as QEMU/KVM does (spec: hypervisor-behaviour section 1).
 */
public final class Hypervisor {
  /** Virtual time between looks at limits and input while the guest computes. */
  private static final long SLICE = 10_000_000L;

  private static final int MOST_UNSEEN_EVENTS = 100_000;

  private static final int MOST_EXITS_WITHOUT_PROGRESS = 10_000;

  private static final long EVENT_VALID = 1L << 31;

  final VirtualCpu vcpu;
  final HostView memory;
  final Platform platform;
  final CpuidService cpuid;
  final MsrService msrs;
  final MmioMap mmio;
  private final GhcbService ghcb;
  private final PlainExits plain;
  private final ConsoleInput input;
  @Nullable HostObserver observer;

  private @Nullable Outcome outcome;
  private boolean everEnabledInterrupts;
  private int stuck;
  private long instructionLimit = Long.MAX_VALUE;
  private long realDeadline = Long.MAX_VALUE;

  public Hypervisor(
      VirtualCpu vcpu,
      HostView memory,
      Platform platform,
      CpuModel model,
      SevMode mode,
      MmioMap mmio,
      ConsoleInput input) {
    this.vcpu = vcpu;
    this.memory = memory;
    this.platform = platform;
    this.mmio = mmio;
    this.input = input;
    cpuid = new CpuidService(model, mode);
    msrs =
        new MsrService(
            new MsrService.Tsc() {
              @Override
              public long read() {
                return guestTsc();
              }

              @Override
              public void write(long v) {
                vcpu.vmcb().set(Vmcb.TSC_OFFSET, v - vcpu.now());
              }
            });
    ghcb = new GhcbService(this, CpuidService.cBit(model));
    plain = new PlainExits(this);
  }

  /** {@return the guest's time-stamp counter} */
  long guestTsc() {
    return vcpu.now() + vcpu.vmcb().get(Vmcb.TSC_OFFSET);
  }

  /** Tells an observer about every crossing. */
  public void observe(HostObserver o) {
    observer = o;
  }

  /** Ends the run after a number of instructions or at a point of real time. */
  public void limit(long instructions, long realNanoTime) {
    instructionLimit = instructions;
    realDeadline = realNanoTime;
  }

  /** Ends the run. */
  void end(int status, String reason) {
    if (outcome == null) {
      outcome = new Outcome(status, reason);
    }
  }

  /** Runs the guest to its end. */
  public Outcome run() {
    while (outcome == null) {
      long now = vcpu.now();
      platform.pit.advance(now);
      feedInput(false);
      checkLimits();
      if (outcome != null) {
        break;
      }
      prepareInterrupt();
      long deadline = Math.min(platform.pit.nextEvent(), now + SLICE);
      long left = instructionLimit - vcpu.instructions();
      if (left < deadline - now) {
        deadline = now + left;
      }
      long before = vcpu.instructions();
      vcpu.run(deadline);
      handleExit();
      checkPorts();
      stuck = vcpu.instructions() == before ? stuck + 1 : 0;
      if (stuck > MOST_EXITS_WITHOUT_PROGRESS) {
        end(Outcome.GAVE_UP, "the guest exits again and again without executing an instruction");
      }
    }
    return outcome;
  }

  private void checkLimits() {
    if (vcpu.instructions() >= instructionLimit) {
      end(Outcome.LIMIT, "instruction limit of " + instructionLimit + " reached");
    } else if (realDeadline != Long.MAX_VALUE && System.nanoTime() - realDeadline >= 0) {
      end(Outcome.LIMIT, "time limit reached");
    }
  }

  private void checkPorts() {
    if (platform.reset.exitValue() >= 0) {
      int v = platform.reset.exitValue();
      end((v << 1 | 1) & 0xFF, "guest wrote " + v + " to the debug exit port 0xf4");
    } else if (platform.reset.resetRequested()) {
      end(Outcome.POWER_OFF, "guest asked for a reset");
    }
  }

  // ---- interrupts and idling

  private boolean interruptsEnabled() {
    return switch (vcpu) {
      case EncryptedVcpu e -> e.vmcb().interruptsEnabled();
      case PlainVcpu p -> p.interruptsEnabled();
    };
  }

  private void prepareInterrupt() {
    Vmcb v = vcpu.vmcb();
    boolean enabled = interruptsEnabled();
    everEnabledInterrupts |= enabled;
    boolean window = false;
    // An event that a delivery lost to an exit comes first; #VC is raised anew by its instruction.
    long lost = v.get(Vmcb.EXITINTINFO);
    if ((lost & EVENT_VALID) != 0
        && (lost & 0xFF) != 29
        && (v.get(Vmcb.EVENTINJ) & EVENT_VALID) == 0) {
      v.set(Vmcb.EVENTINJ, lost);
    }
    v.set(Vmcb.EXITINTINFO, 0);
    if (platform.pic.requesting()) {
      boolean free = (v.get(Vmcb.EVENTINJ) & EVENT_VALID) == 0;
      if (free && enabled && !v.interruptShadow()) {
        inject(platform.pic.acknowledge());
      } else {
        window = true;
      }
    }
    int vector3 = v.getInt(Vmcb.INTERCEPT_VECTOR3);
    v.setInt(Vmcb.INTERCEPT_VECTOR3, window ? vector3 | 16 : vector3 & ~16);
    v.set(Vmcb.V_INTR, 1L << 24 | (window ? Vmcb.V_IRQ | 1L << 20 : 0));
  }

  /** Injects an external interrupt, or an exception given in EVENTINJ format. */
  void inject(long event) {
    long e = event | EVENT_VALID;
    vcpu.vmcb().set(Vmcb.EVENTINJ, e);
    if (observer != null) {
      observer.inject(e);
    }
  }

  private boolean feedInput(boolean idle) {
    boolean any = false;
    while (platform.com1.canReceive() && platform.com1.wantsInput(idle)) {
      int b = input.poll();
      if (b < 0) {
        break;
      }
      platform.com1.receive(b);
      any = true;
    }
    return any;
  }

  /** HLT: lets virtual time jump to the next event. */
  void idle() {
    if (!interruptsEnabled()) {
      if (everEnabledInterrupts) {
        end(Outcome.POWER_OFF, "guest halted with interrupts disabled");
      } else {
        end(Outcome.GAVE_UP, "guest halted before it ever enabled interrupts: nothing can wake it");
      }
      return;
    }
    int events = 0;
    while (!platform.pic.requesting() && outcome == null) {
      if (feedInput(true)) {
        continue;
      }
      if (++events > MOST_UNSEEN_EVENTS && input.closed()) {
        end(Outcome.GAVE_UP, "guest halted with every interrupt masked: nothing can wake it");
        return;
      }
      long next = platform.pit.nextEvent();
      if (next == Long.MAX_VALUE && input.closed()) {
        end(Outcome.GAVE_UP, "guest halted with no timer set and no input: nothing can wake it");
        return;
      }
      if (!input.closed()) {
        // With somebody at the console idle time is real time, so that the computer idles too.
        input.await(next == Long.MAX_VALUE ? 50_000_000L : next - vcpu.now());
        if (feedInput(true)) {
          continue;
        }
      }
      if (next != Long.MAX_VALUE) {
        vcpu.idleUntil(next);
        platform.pit.advance(vcpu.now());
      }
      checkLimits();
    }
  }

  // ---- exits

  private void handleExit() {
    Vmcb v = vcpu.vmcb();
    int code = v.exitCode();
    long info1 = v.get(Vmcb.EXITINFO1);
    long info2 = v.get(Vmcb.EXITINFO2);
    if (code == ExitCode.VMGEXIT && vcpu instanceof EncryptedVcpu) {
      ghcb.vmgexit();
      return;
    }
    if (observer != null && code != ExitCode.INTR) {
      observer.exit(code, info1, info2);
    }
    switch (code) {
      case ExitCode.INTR, ExitCode.VINTR, 0x61, 0x77 -> {
        // the loop looks at time and interrupts anyway
      }
      case ExitCode.SHUTDOWN -> end(Outcome.SHUTDOWN, "guest shut down (triple fault)" + hint());
      case ExitCode.INVALID ->
          end(Outcome.GAVE_UP, "VMRUN refused the guest state (VMEXIT_INVALID)");
      case ExitCode.EFER_WRITE_TRAP,
          ExitCode.CR0_WRITE_TRAP,
          ExitCode.CR0_WRITE_TRAP + 4,
          ExitCode.CR0_WRITE_TRAP + 8 -> {
        // The write has happened; nothing that this host does depends on the new value.
      }
      case ExitCode.NPF -> nestedPageFault(info1, info2);
      default -> {
        if (vcpu instanceof PlainVcpu p) {
          plain.handle(p, code, info1);
        } else if (code == ExitCode.HLT) {
          idle();
        } else {
          end(Outcome.GAVE_UP, "no handler for " + ExitCode.name(code));
        }
      }
    }
  }

  private String hint() {
    return vcpu instanceof EncryptedVcpu && vcpu.instructions() < 100_000
        ? "; a kernel without SEV-ES support dies like this at its first #VC: try --sev off"
        : "";
  }

  private void nestedPageFault(long info1, long gpa) {
    if (gpa >>> 12 >= memory.guestBytes() >>> 12 && !mmio.installed(gpa >>> 12)) {
      // The first touch of an address without memory: mark it as emulated MMIO and let it fault
      // again.
      mmio.install(gpa >>> 12);
      return;
    }
    if (vcpu instanceof PlainVcpu p) {
      plain.emulate(p);
      return;
    }
    end(
        Outcome.GAVE_UP,
        "nested page fault at GPA 0x"
            + Long.toHexString(gpa)
            + " (0x"
            + Long.toHexString(info1)
            + ")");
  }
}
