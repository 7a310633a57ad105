package dev.vesper.machine.vmm;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.device.I8042;
import dev.vesper.machine.device.InterruptMessages;
import dev.vesper.machine.device.LocalApic;
import dev.vesper.machine.device.Timed;
import dev.vesper.machine.device.display.Vga;
import dev.vesper.machine.host.Exit;
import dev.vesper.machine.host.VcpuState;
import dev.vesper.machine.launch.CpuidPage;
import dev.vesper.machine.launch.SecureTsc;
import dev.vesper.machine.launch.SevFeature;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.observe.HostObserver;
import dev.vesper.machine.sev.LaunchState;
import dev.vesper.machine.sev.PlainVcpu;
import dev.vesper.machine.sev.VirtualCpu;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.ResetPolicy;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpLaunch;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A host with its guest: what it keeps of vCPUs, devices and memory, and what it does at an exit.
 * When which vCPU runs is {@link RunLoop}'s; what an exit means is the profile's.
 */
public final class Hypervisor {
  /** A host that does nothing for longer than this is no host any more: 1,000 seconds. */
  static final long LONGEST_DELAY = 1_000_000_000_000L;

  /** Virtual time that a vCPU waits for whoever has its save area busy. */
  private static final long BUSY_WAIT = 10_000;

  final HostView memory;
  Platform platform;
  final MmioMap mmio;
  final transient CpuModel model;
  final SevMode mode;

  /** How a guest under SEV-SNP was launched, and what its host does. */
  final SnpLaunch snp;

  /** How events reach a guest that restricts injection; null if they are injected. */
  final @Nullable RestrictedInjection restricted;

  /** How a guest with Secure TSC was launched to have its time counted; null without. */
  private final @Nullable SecureTsc secureTsc;

  final boolean localApics;
  final Inputs inputs;
  final Interrupts interrupts = new Interrupts(this);
  final GuestAccess access = new GuestAccess(this);
  final List<HostVcpu> vcpus = new ArrayList<>();
  Handlers handlers;
  transient @Nullable HostObserver observer;
  HostVcpu current;

  /** Who takes the guest's messages to the secure processor, or null if nobody does. */
  @Nullable GuestRequests guestRequests;

  /** The table of certificates that guests can have with a report; empty for none. */
  byte[] certificates = {};

  /** Interrupts that woke a vCPU set it to 0: how often nothing else happened in a row. */
  int unseenEvents;

  /** No local APIC of a halted vCPU has an event before this. */
  long haltedEvent = Timed.NEVER;

  private final List<? extends VirtualCpu> cpus;
  private final transient BiFunction<LongSupplier, InterruptMessages, Platform> devices;
  private final Profile profile;
  private final Program program;
  private final RunLoop loop = new RunLoop(this);
  final Resets resets = new Resets(this);
  private Supplier<@Nullable LaunchState> resume = () -> null;
  private long latest;
  private @Nullable Outcome outcome;

  /**
   * @param cpus the vCPUs, the boot processor first
   * @param localApics whether they have local APICs
   * @param devices makes them, given their clock and where their messages go
   * @param snp what is of no meaning but under SEV-SNP
   */
  public Hypervisor(
      List<? extends VirtualCpu> cpus,
      boolean localApics,
      HostView memory,
      BiFunction<LongSupplier, InterruptMessages, Platform> devices,
      Profile profile,
      CpuModel model,
      SevMode mode,
      SnpLaunch snp,
      MmioMap mmio,
      Inputs inputs) {
    this.memory = memory;
    this.localApics = localApics;
    this.mmio = mmio;
    this.model = model;
    this.mode = mode;
    this.snp = snp;
    restricted =
        mode == SevMode.SNP && RestrictedInjection.in(snp.features())
            ? new RestrictedInjection(this)
            : null;
    secureTsc =
        mode == SevMode.SNP && SevFeature.SECURE_TSC.in(snp.features())
            ? SecureTsc.ofKilohertz(snp.tscKilohertz())
            : null;
    this.inputs = inputs;
    inputs.of(this);
    this.cpus = cpus;
    this.devices = devices;
    this.profile = profile;
    program =
        new Program(
            new NestedTable(memory.ram(), mmio::changed),
            new Tampering(this),
            v -> vcpus.get(v).cpu.instructions());
    reset();
  }

  /** Says who takes the guest's messages to the secure processor. */
  public void guestRequests(GuestRequests way) {
    guestRequests = way;
  }

  /** Starts a vCPU from a save area that was launched in the guest's own memory. */
  public void startsFrom(int vcpu, long area) {
    HostVcpu v = vcpus.get(vcpu);
    v.level().saveArea = area;
    v.cpu.vmcb().set(Vmcb.VMSA_PTR, area);
  }

  /** Gives guests certificates with their reports. */
  public void certificates(byte[] table) {
    certificates = table;
  }

  private void createVcpus() {
    LocalApic.Commands commands =
        new LocalApic.Commands() {
          @Override
          public void send(int from, int command, int destination) {
            interrupts.command(from, command, destination);
          }

          @Override
          public void ended(int vector) {
            interrupts.ended(vector);
          }

          @Override
          public void nmi(int to) {
            vcpus.get(to).nonMaskable();
          }
        };
    long features = mode == SevMode.SNP ? snp.features() : 0;
    for (int i = 0; i < cpus.size(); i++) {
      LocalApic apic = !localApics ? null : new LocalApic(i, i == 0, commands);
      if (apic != null) {
        apic.offerDeadlines(model.has("tsc-deadline"));
      }
      vcpus.add(new HostVcpu(i, cpus.get(i), apic, model, features, secureTsc));
    }
  }

  /** RESET: processors, devices and what the host keeps of them are as at power-on. */
  final void reset() {
    vcpus.clear();
    createVcpus();
    current = vcpus.get(0);
    platform = devices.apply(this::now, interrupts::message);
    observeBuses();
    handlers = profile.handlers(this);
    vcpus.forEach(handlers::created);
  }

  private void observeBuses() {
    HostObserver o = observer;
    platform.ports.observe(
        o == null ? null : (port, n, w) -> o.invalid(HostObserver.Space.PORTS, port, n, w));
    platform.mmio.observe(
        o == null ? null : (gpa, n, w) -> o.invalid(HostObserver.Space.MEMORY, gpa, n, w));
  }

  /** The guest accesses an MSR that there is not, or writes what it cannot hold. */
  void noSuchMsr(long msr, boolean write) {
    if (observer != null) {
      observer.invalid(HostObserver.Space.MSRS, msr & 0xFFFF_FFFFL, 8, write);
    }
  }

  /**
   * {@return virtual time for devices: that of the vCPU whose turn it is, but never less than it
   * was}
   */
  public long now() {
    latest = Math.max(latest, current.cpu.now());
    return latest;
  }

  /** Has the vCPU whose turn it is wait for so much virtual time. */
  void takes(long nanos) {
    current.cpu.idleUntil(current.cpu.now() + nanos);
  }

  /** {@return how many vCPUs there are} */
  int processors() {
    return vcpus.size();
  }

  /** {@return the time-stamp counter of a vCPU's guest} */
  static long guestTsc(HostVcpu v) {
    return guestTsc(v, v.cpu.now());
  }

  /** {@return the time-stamp counter of a vCPU's guest at a virtual time} */
  static long guestTsc(HostVcpu v, long time) {
    SecureTsc s = v.secureTsc;
    return s == null ? time + v.cpu.vmcb().get(Vmcb.TSC_OFFSET) : s.at(time);
  }

  /** {@return the virtual time at which the counter of a vCPU's guest reaches a value} */
  static long timeOfTsc(HostVcpu v, long count) {
    SecureTsc s = v.secureTsc;
    return s == null ? count - v.cpu.vmcb().get(Vmcb.TSC_OFFSET) : s.reaches(count);
  }

  /** {@return instructions that all vCPUs have executed} */
  long instructions() {
    // By index, as all that every exit does: it comes too often for an iterator.
    long n = 0;
    for (int i = 0; i < vcpus.size(); i++) {
      n += vcpus.get(i).cpu.instructions();
    }
    return n;
  }

  /** {@return whether a vCPU can run} */
  public VcpuState state(int vcpu) {
    return switch (vcpus.get(vcpu).state) {
      case RUNNABLE -> VcpuState.RUNNABLE;
      case HALTED -> VcpuState.HALTED;
      case WAIT_FOR_SIPI -> VcpuState.WAIT_FOR_SIPI;
      case RESET_HOLD_EVENT, RESET_HOLD_MSR -> VcpuState.RESET_HOLD;
      case DESTROYED -> VcpuState.WAIT_FOR_SIPI;
    };
  }

  /** Has a program's host act now, while nothing runs. */
  public void appoint(Consumer<Exit.Appointment> host) {
    program.now(this, host);
  }

  /** {@return what a program may take part in} */
  public Program program() {
    return program;
  }

  /** {@return what runs the guest} */
  public RunLoop loop() {
    return loop;
  }

  /** {@return the vCPUs' processors as the host has them} */
  List<? extends VirtualCpu> processorsOfHost() {
    return cpus;
  }

  /** Tells an observer about every crossing, or none with null. */
  public void observe(@Nullable HostObserver o) {
    observer = o;
    observeBuses();
  }

  /**
   * Takes an application processor as started already, by firmware that has run and left it in AP
   * reset hold.
   */
  public void startedByFirmware(int id) {
    vcpus.get(id).state = HostVcpu.State.RUNNABLE;
  }

  /** Takes a BIOS as having run: it has left interrupt controllers and timer as it does. */
  public void afterBios() {
    platform.afterBios();
  }

  /**
   * Says where the boot processor continues when a sleeping machine wakes.
   *
   * @param state makes its registers, or null if the guest has left no place
   */
  public void resumesAt(Supplier<@Nullable LaunchState> state) {
    resume = state;
  }

  /** Says what becomes of a guest that resets itself; if nobody does, its run ends. */
  public void resets(ResetPolicy policy) {
    resets.policy(policy);
  }

  /**
   * Says how a guest that resets itself starts again; if nobody does, it cannot.
   *
   * @param load puts what is booted into memory, and has the registers of each processor
   * @param afterBios a BIOS is taken to have run
   */
  public void startsAgainBy(Supplier<IntFunction<LaunchState>> load, boolean afterBios) {
    resets.startsBy(load, afterBios);
  }

  /** {@return what the hypervisor puts into the CPUID page of an SNP guest} */
  public List<CpuidPage.Entry> cpuidPage() {
    return handlers.cpuidPage(vcpus.get(0));
  }

  /** {@return the screen, or null if there is none} */
  public @Nullable Vga screen() {
    return platform.screen;
  }

  /** {@return what reaches the guest from outside} */
  public Inputs inputs() {
    return inputs;
  }

  /** {@return whether there is a keyboard} */
  public boolean hasKeyboard() {
    return platform.keyboard != null;
  }

  /** A key goes down or up, if there is a keyboard. */
  void key(int scanCode, boolean down) {
    I8042 k = platform.keyboard;
    if (k != null) {
      k.key(scanCode, down);
    }
  }

  /** {@return what all vCPUs and their registers come to} It takes a hash of each save area. */
  public long registers() {
    try {
      MessageDigest d = MessageDigest.getInstance("SHA-256");
      cpus.forEach(c -> c.digest(d));
      return ByteBuffer.wrap(d.digest()).getLong();
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime has no SHA-256", e);
    }
  }

  /** {@return what somebody sees and does who sits before the machine} */
  public Panel panel() {
    return new Panel(this);
  }

  /** {@return where the boot processor continues when the machine wakes, or null} */
  @Nullable LaunchState resumesAt() {
    return resume.get();
  }

  /** Tells observers which page a request is read from. */
  void serves(long ghcb) {
    if (observer != null) {
      observer.serves(ghcb);
    }
  }

  /** Ends the run, unless it has ended. */
  void end(int status, String reason) {
    end(new Outcome(status, reason));
  }

  /** Ends the run, unless it has ended. */
  void end(Outcome o) {
    if (outcome == null) {
      outcome = o;
    }
  }

  /** {@return how the guest's life ended, or null while it goes on} */
  public @Nullable Outcome outcome() {
    return outcome;
  }

  /** HLT. */
  void halt(HostVcpu v) {
    if (v.kicked) {
      v.kicked = false;
      return;
    }
    v.state = HostVcpu.State.HALTED;
    if (v.apic != null) {
      haltedEvent = Math.min(haltedEvent, v.apic.nextEvent());
    }
  }

  /** Has a vCPU run again. */
  void wake(HostVcpu v) {
    v.state = HostVcpu.State.RUNNABLE;
    v.cpu.idleUntil(now());
    unseenEvents = 0;
  }

  /** Wakes the vCPU whose local APIC has a number from HLT, or from the next one. */
  void kick(int apic) {
    for (HostVcpu v : vcpus) {
      if (v.apic != null && v.apic.numbered(apic)) {
        if (v.state == HostVcpu.State.HALTED) {
          wake(v);
        } else {
          v.kicked = true;
        }
      }
    }
  }

  /** Deals with an exit. */
  void exited(HostVcpu hv) {
    Vmcb v = hv.cpu.vmcb();
    int code = v.exitCode();
    long info1 = v.get(Vmcb.EXITINFO1);
    long info2 = v.get(Vmcb.EXITINFO2);
    if (mode == SevMode.SNP && code != ExitCode.INVALID && code != ExitCode.BUSY) {
      hv.level().features = v.get(Vmcb.GUEST_SEV_FEATURES);
    }
    if (restricted != null) {
      restricted.exited(hv);
    }
    if (code == ExitCode.VMGEXIT && !(hv.cpu instanceof PlainVcpu)) {
      if (observer != null) {
        observer.vmgexit(v.get(Vmcb.GHCB_GPA));
      }
      program.vmgexit(this, hv);
      if (observer != null) {
        Outcome o = outcome;
        observer.answered(v.get(Vmcb.GHCB_GPA), o == null ? null : o.reason());
      }
      return;
    }
    if (observer != null && code != ExitCode.INTR) {
      observer.exit(code, info1, info2);
    }
    switch (code) {
      case ExitCode.INTR, ExitCode.NMI, ExitCode.VINTR, ExitCode.PAUSE -> {
        // the loop looks at time and interrupts anyway
      }
      case ExitCode.BUSY -> {
        // Somebody changes the save area: the vCPU's own more privileged level, or another vCPU.
        if (!Vmpls.runHigher(hv)) {
          hv.cpu.idleUntil(hv.cpu.now() + BUSY_WAIT);
        }
      }
      case ExitCode.SHUTDOWN ->
          resets.asked(new Outcome(Outcome.SHUTDOWN, "guest shut down (triple fault)" + hint(hv)));
      case ExitCode.INVALID ->
          end(
              Outcome.GAVE_UP,
              "VMRUN refused the guest state (VMEXIT_INVALID)"
                  + (mode == SevMode.SNP
                      ? " in the save area at 0x" + Long.toHexString(v.get(Vmcb.VMSA_PTR))
                      : ""));
      default -> program.exit(this, hv, code, info1, info2);
    }
  }

  private String hint(HostVcpu v) {
    if (v.cpu instanceof PlainVcpu || v.cpu.instructions() >= 100_000) {
      return "";
    }
    // What is made for SEV-SNP need not run without.
    return mode == SevMode.SNP
        ? "; a kernel without SEV-SNP support dies like this at its first #VC: -v shows what it did"
        : "; a kernel without SEV-ES support dies like this at its first #VC: try --sev off";
  }
}
