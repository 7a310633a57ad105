package dev.vesper.machine.vmm;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.device.AcpiPm;
import dev.vesper.machine.device.InterruptMessages;
import dev.vesper.machine.device.IoApic;
import dev.vesper.machine.device.LocalApic;
import dev.vesper.machine.device.Timed;
import dev.vesper.machine.device.display.Vga;
import dev.vesper.machine.device.net.Network;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.observe.HostObserver;
import dev.vesper.machine.sev.LaunchState;
import dev.vesper.machine.sev.PlainVcpu;
import dev.vesper.machine.sev.SevMode;
import dev.vesper.machine.sev.VirtualCpu;
import dev.vesper.machine.sev.Vmcb;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BiFunction;
import java.util.function.LongSupplier;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The run loop: VMRUN, interrupt injection, idling, and the start of application processors. What
 * an exit means is the profile's.
 *
 * <p>vCPUs take turns on one thread: the one whose virtual time is least runs next, for {@link
 * #QUANTUM} at most, so a run is the same every time.
 */
public final class Hypervisor {
  /** Virtual time between looks at limits and input while the guest computes. */
  private static final long SLICE = 10_000_000L;

  /**
   * Virtual time that a vCPU may run ahead of another one. It is a prime number, so that no short
   * loop is left at the same instruction each time: one that takes a lock, gives it back and takes
   * it again would be left with the lock for ever, and the vCPU that waits for it would never have
   * it.
   */
  private static final long QUANTUM = 9_973L;

  /**
   * Virtual time that a device takes to answer, as on a real bus: a guest that polls a timer in a
   * delay loop gets there in tens of rounds, not in thousands.
   */
  private static final long DEVICE_ACCESS = 1_000L;

  /** What the last of many reads of a timer in a tight loop takes. */
  private static final long LONGEST_TIMER_READ = 25_000L;

  /** A read of a timer this soon after another one is part of a loop. */
  private static final long TIGHT_LOOP = 2_000L;

  private static final int MOST_UNSEEN_EVENTS = 100_000;

  private static final int MOST_EXITS_WITHOUT_PROGRESS = 10_000;

  private static final long EVENT_VALID = 1L << 31;

  // Delivery modes of interrupt commands and messages.
  private static final int FIXED = 0;
  private static final int LOWEST_PRIORITY = 1;
  private static final int NMI = 4;
  private static final int INIT = 5;
  private static final int STARTUP = 6;

  private static final int NMI_EVENT = 2;
  private static final int TYPE_NMI = NMI_EVENT << 8;
  private static final int TYPE_EXCEPTION = 3 << 8;

  final HostView memory;
  Platform platform;
  final MmioMap mmio;
  final CpuModel model;
  final SevMode mode;
  final boolean localApics;
  private final List<? extends VirtualCpu> cpus;
  private final BiFunction<LongSupplier, InterruptMessages, Platform> devices;
  private final Profile profile;
  private final List<HostVcpu> vcpus = new ArrayList<>();
  private Supplier<@Nullable LaunchState> resume = () -> null;
  private Handlers handlers;
  private final ConsoleInput input;
  private HostFaults faults = new HostFaults(List.of());
  @Nullable HostObserver observer;

  private HostVcpu current;
  private long latest;
  private @Nullable Outcome outcome;
  private int unseenEvents;
  private boolean externalUp;

  /** No local APIC of a halted vCPU has an event before this. */
  private long haltedEvent = Timed.NEVER;

  private long instructionLimit = Long.MAX_VALUE;
  private long realDeadline = Long.MAX_VALUE;

  /**
   * @param cpus the vCPUs, the boot processor first
   * @param localApics whether they have local APICs
   * @param devices makes them, given their clock and where their messages go
   */
  public Hypervisor(
      List<? extends VirtualCpu> cpus,
      boolean localApics,
      HostView memory,
      BiFunction<LongSupplier, InterruptMessages, Platform> devices,
      Profile profile,
      CpuModel model,
      SevMode mode,
      MmioMap mmio,
      ConsoleInput input) {
    this.memory = memory;
    this.localApics = localApics;
    this.mmio = mmio;
    this.model = model;
    this.mode = mode;
    this.input = input;
    this.cpus = cpus;
    this.devices = devices;
    this.profile = profile;
    createVcpus();
    current = vcpus.get(0);
    platform = devices.apply(this::now, this::interruptMessage);
    handlers = profile.handlers(this);
    vcpus.forEach(handlers::created);
  }

  private void createVcpus() {
    LocalApic.Commands commands =
        new LocalApic.Commands() {
          @Override
          public void send(int from, int command, int destination) {
            interruptCommand(from, command, destination);
          }

          @Override
          public void ended(int vector) {
            interruptEnded(vector);
          }

          @Override
          public void nmi(int to) {
            vcpus.get(to).nonMaskable();
          }
        };
    for (int i = 0; i < cpus.size(); i++) {
      LocalApic apic = !localApics ? null : new LocalApic(i, i == 0, commands);
      if (apic != null) {
        apic.offerDeadlines(model.has("tsc-deadline"));
      }
      vcpus.add(new HostVcpu(i, cpus.get(i), apic, model));
    }
  }

  /** RESET: processors, devices and what the host keeps of them are as at power-on. */
  private void reset() {
    vcpus.clear();
    createVcpus();
    current = vcpus.get(0);
    platform = devices.apply(this::now, this::interruptMessage);
    handlers = profile.handlers(this);
    vcpus.forEach(handlers::created);
  }

  /**
   * {@return virtual time for devices: that of the vCPU whose turn it is, but never less than it
   * was}
   */
  public long now() {
    latest = Math.max(latest, current.cpu.now());
    return latest;
  }

  /** {@return how many vCPUs there are} */
  int processors() {
    return vcpus.size();
  }

  /** {@return the time-stamp counter of a vCPU's guest} */
  static long guestTsc(HostVcpu v) {
    return v.cpu.now() + v.cpu.vmcb().get(Vmcb.TSC_OFFSET);
  }

  /** Lets the hypervisor break the protocol. */
  public void commit(HostFaults f) {
    faults = f;
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

  /** {@return the screen, or null if there is none} */
  public @Nullable Vga screen() {
    return platform.screen;
  }

  /** Tells observers which page a request is read from. */
  void serves(long ghcb) {
    faults.serving(memory, ghcb);
    if (observer != null) {
      observer.serves(ghcb);
    }
  }

  /** Ends the run. */
  void end(int status, String reason) {
    if (outcome == null) {
      outcome = new Outcome(status, reason);
    }
  }

  /** {@return how the run ended, or null while it goes on} */
  @Nullable Outcome outcome() {
    return outcome;
  }

  private long instructions() {
    long n = 0;
    for (HostVcpu v : vcpus) {
      n += v.cpu.instructions();
    }
    return n;
  }

  /** Runs the guest to its end. */
  public Outcome run() {
    if (realDeadline == Long.MAX_VALUE) {
      return loop();
    }
    // What a guest executes may take ten thousand times as long as it usually does.
    Thread clock = Thread.ofPlatform().daemon().name("time limit").start(this::stopInTime);
    try {
      return loop();
    } finally {
      clock.interrupt();
    }
  }

  private void stopInTime() {
    for (long left = realDeadline - System.nanoTime();
        left > 0;
        left = realDeadline - System.nanoTime()) {
      LockSupport.parkNanos(left);
      if (Thread.interrupted()) {
        return;
      }
    }
    // Not the list of vCPUs, which a machine that wakes makes anew on its own thread.
    cpus.forEach(VirtualCpu::stop);
  }

  private Outcome loop() {
    while (outcome == null) {
      if (now() >= haltedEvent) {
        advanceHalted();
      }
      HostVcpu v = next();
      if (v == null) {
        idle();
        continue;
      }
      if (current != v) {
        current = v;
        if (observer != null) {
          observer.running(v.id);
        }
      }
      long now = v.cpu.now();
      platform.advance(now());
      if (v.apic != null) {
        v.apic.advance(now);
      }
      lookAtCounters(v);
      lookAtExternal();
      feedInput(false);
      checkLimits();
      if (outcome != null) {
        break;
      }
      prepareInterrupt(v);
      long deadline = Math.min(nextEvent(v), now + (vcpus.size() == 1 ? SLICE : QUANTUM));
      deadline = Math.min(deadline, Math.min(haltedEvent, nmiWindow(v, now)));
      long left = instructionLimit - instructions();
      if (left < deadline - now) {
        deadline = now + left;
      }
      long before = v.cpu.instructions();
      handlers.entering(v);
      faults.entering(this, v);
      v.cpu.run(deadline);
      if (v.apic != null) {
        v.apic.setTaskPriority((int) v.cpu.vmcb().get(Vmcb.V_INTR) & 15);
      }
      v.everEnabledInterrupts |= v.interruptsEnabled();
      handleExit(v);
      checkPorts();
      if (outcome == null && platform.reset.asleep()) {
        sleep();
        continue;
      }
      v.stuck = v.cpu.instructions() == before ? v.stuck + 1 : 0;
      if (v.stuck > MOST_EXITS_WITHOUT_PROGRESS) {
        end(Outcome.GAVE_UP, "the guest exits again and again without executing an instruction");
      }
    }
    return outcome;
  }

  /** {@return the runnable vCPU whose virtual time is least, or null} */
  private @Nullable HostVcpu next() {
    HostVcpu best = null;
    for (HostVcpu v : vcpus) {
      if (v.canWake() && (!v.interruptsEnabled() || requesting(v) || v.nmiDue())) {
        wake(v);
      }
      if (v.state == HostVcpu.State.RUNNABLE && (best == null || v.cpu.now() < best.cpu.now())) {
        best = v;
      }
    }
    return best;
  }

  private void wake(HostVcpu v) {
    v.state = HostVcpu.State.RUNNABLE;
    v.cpu.idleUntil(now());
    unseenEvents = 0;
  }

  private long nextEvent(HostVcpu v) {
    long next = Math.min(platform.nextEvent(), v.counters.nextOverflow(v.cpu));
    return v.apic == null ? next : Math.min(next, v.apic.nextEvent());
  }

  /** Counters that have overflowed interrupt where they are told to. */
  private static void lookAtCounters(HostVcpu v) {
    if (v.counters.overflows(v.cpu) && v.apic != null) {
      v.apic.performanceCounter();
    }
  }

  /** The 8259 pair's output goes to every processor's LINT0. */
  private void lookAtExternal() {
    boolean up = platform.pic.requesting();
    if (up && !externalUp) {
      for (HostVcpu v : vcpus) {
        if (v.apic != null) {
          v.apic.externalRises();
        }
      }
    }
    externalUp = up;
  }

  private void checkLimits() {
    if (instructions() >= instructionLimit) {
      end(Outcome.LIMIT, "instruction limit of " + instructionLimit + " reached");
    } else if (realDeadline != Long.MAX_VALUE && System.nanoTime() - realDeadline >= 0) {
      end(Outcome.LIMIT, "time limit reached");
    }
  }

  private void checkPorts() {
    if (platform.reset.exitValue() >= 0) {
      int v = platform.reset.exitValue();
      end((v << 1 | 1) & 0xFF, "guest wrote " + v + " to the debug exit port 0xf4");
    } else if (platform.reset.poweredOff()) {
      end(Outcome.POWER_OFF, "guest powered off");
    } else if (platform.reset.resetRequested()) {
      end(Outcome.POWER_OFF, "guest asked for a reset");
    }
  }

  // ---- sleep

  /** Suspend to RAM: nothing runs but clock and timer, until one of them wakes the machine. */
  private void sleep() {
    AcpiPm pm = platform.power();
    while (pm != null && !pm.wakes() && outcome == null) {
      long next = platform.nextWakeEvent();
      if (next == Timed.NEVER) {
        end(Outcome.GAVE_UP, "guest sleeps, and no alarm is set that could wake it");
        return;
      }
      vcpus.forEach(v -> v.cpu.idleUntil(next));
      platform.advance(next);
      checkLimits();
    }
    LaunchState state = resume.get();
    if (state == null) {
      end(Outcome.GAVE_UP, "guest wakes, but its FACS has no waking vector");
    }
    if (outcome == null && state != null && vcpus.get(0).cpu instanceof PlainVcpu p) {
      Platform before = platform;
      reset();
      platform.wokenFrom(before);
      for (HostVcpu v : vcpus) {
        if (v.cpu instanceof PlainVcpu other) {
          other.reset(new LaunchState());
        }
      }
      p.reset(state);
      started(vcpus.get(0), "woken from suspend to RAM");
    }
  }

  // ---- interrupts and idling

  private boolean externalRequest(HostVcpu v) {
    return v.id == 0 && (v.apic == null || v.apic.acceptsExternal()) && platform.pic.requesting();
  }

  private boolean requesting(HostVcpu v) {
    return v.apic != null && v.apic.requesting() || externalRequest(v);
  }

  private void prepareInterrupt(HostVcpu hv) {
    Vmcb v = hv.cpu.vmcb();
    boolean window = false;
    // An event that a delivery lost to an exit comes first; #VC is raised anew by its instruction.
    long lost = v.get(Vmcb.EXITINTINFO);
    if ((lost & EVENT_VALID) != 0
        && (lost & 0xFF) != 29
        && (v.get(Vmcb.EVENTINJ) & EVENT_VALID) == 0) {
      v.set(Vmcb.EVENTINJ, lost);
    }
    v.set(Vmcb.EXITINTINFO, 0);
    if (hv.nmiDue() && !v.interruptShadow() && (v.get(Vmcb.EVENTINJ) & EVENT_VALID) == 0) {
      hv.nmis--;
      hv.nmiMasked = true;
      inject(hv, 2 | TYPE_NMI);
    }
    if (requesting(hv)) {
      boolean free = (v.get(Vmcb.EVENTINJ) & EVENT_VALID) == 0;
      if (free && hv.interruptsEnabled() && !v.interruptShadow()) {
        LocalApic own = hv.apic;
        inject(
            hv, own != null && own.requesting() ? own.acknowledge() : platform.pic.acknowledge());
      } else {
        window = true;
      }
    }
    // An NMI that waits behind another one follows its IRET. Of an SEV-ES guest's IRET a host can
    // see nothing: the guest says itself when it is ready.
    boolean awaitsIret = hv.nmis > 0 && hv.cpu instanceof PlainVcpu;
    int vector3 = v.getInt(Vmcb.INTERCEPT_VECTOR3) & ~(Intercept.VINTR | Intercept.IRET);
    v.setInt(
        Vmcb.INTERCEPT_VECTOR3,
        vector3 | (window ? Intercept.VINTR : 0) | (awaitsIret ? Intercept.IRET : 0));
    long tpr = hv.apic == null ? v.get(Vmcb.V_INTR) & 15 : hv.apic.taskPriority();
    v.set(Vmcb.V_INTR, tpr | 1L << 24 | (window ? Vmcb.V_IRQ | 1L << 20 : 0));
  }

  /** Injects an external interrupt, or an exception given in EVENTINJ format. */
  void inject(HostVcpu v, long event) {
    long e = event | EVENT_VALID;
    v.cpu.vmcb().set(Vmcb.EVENTINJ, e);
    if (observer != null) {
      observer.inject(e);
    }
  }

  /** Injects an exception. */
  void injectException(HostVcpu v, int vector, boolean errorCode) {
    inject(v, vector | TYPE_EXCEPTION | (errorCode ? 0x800 : 0));
  }

  private boolean feedInput(boolean idle) {
    boolean any = false;
    while (platform.com1.canReceive() && platform.com1.wantsInput(idle)) {
      int before = platform.com1.returned();
      int b = before >= 0 ? before : input.poll();
      if (b < 0) {
        break;
      }
      platform.com1.receive(b);
      any = true;
    }
    return any;
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

  /** Lets the timers of halted vCPUs run on while others execute. */
  private void advanceHalted() {
    haltedEvent = Timed.NEVER;
    for (HostVcpu v : vcpus) {
      if (v.apic != null && v.state == HostVcpu.State.HALTED) {
        v.apic.advance(now());
        haltedEvent = Math.min(haltedEvent, v.apic.nextEvent());
      }
    }
  }

  /**
   * {@return until when a vCPU may run before it can take an NMI that it is ready for} Another
   * event is delivered before it, or a shadow ends with the next instruction.
   */
  private static long nmiWindow(HostVcpu v, long now) {
    Vmcb b = v.cpu.vmcb();
    long event = b.get(Vmcb.EVENTINJ);
    boolean delivers = (event & EVENT_VALID) != 0;
    boolean blocks = delivers && (event >>> 8 & 7) == NMI_EVENT;
    return v.nmiDue() && !blocks && v.cpu instanceof PlainVcpu
        ? now + (delivers ? 0 : 1)
        : Timed.NEVER;
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

  /** {@return whether nobody outside can wake the guest} */
  private boolean alone() {
    return input.closed() && platform.live().isEmpty();
  }

  private void await(long virtualNanos) {
    long nanos = virtualNanos;
    if (realDeadline != Long.MAX_VALUE) {
      nanos = Math.max(0, Math.min(nanos, realDeadline - System.nanoTime()));
    }
    List<Network> live = platform.live();
    if (live.isEmpty()) {
      input.await(nanos);
    } else {
      // A network has an event of its own soon.
      live.get(0).await(nanos);
    }
  }

  /** Nobody can run: lets virtual time jump to the next event. */
  private void idle() {
    if (vcpus.stream().noneMatch(HostVcpu::canWake)) {
      HostVcpu boot = vcpus.get(0);
      if (boot.state != HostVcpu.State.HALTED) {
        end(Outcome.GAVE_UP, "every vCPU waits in AP reset hold: nobody is left to send a SIPI");
        return;
      }
      boolean ever = boot.everEnabledInterrupts;
      end(
          ever ? Outcome.POWER_OFF : Outcome.GAVE_UP,
          ever ? "guest halted with interrupts disabled" : handlers.haltedForGood());
      return;
    }
    if (feedInput(true)) {
      return;
    }
    if (++unseenEvents > MOST_UNSEEN_EVENTS && alone()) {
      end(Outcome.GAVE_UP, "guest halted with every interrupt masked: nothing can wake it");
      return;
    }
    long next = platform.nextEvent();
    for (HostVcpu v : vcpus) {
      if (v.apic != null && v.canWake()) {
        next = Math.min(next, v.apic.nextEvent());
      }
    }
    if (next == Timed.NEVER && alone()) {
      end(Outcome.GAVE_UP, "guest halted with no timer set and no input: nothing can wake it");
      return;
    }
    if (!alone()) {
      // With somebody at the console idle time is real time, so that the computer idles too.
      await(next == Timed.NEVER ? 50_000_000L : next - now());
      if (feedInput(true)) {
        return;
      }
    }
    if (next != Timed.NEVER) {
      for (HostVcpu v : vcpus) {
        if (v.canWake()) {
          v.cpu.idleUntil(next);
          if (v.apic != null) {
            v.apic.advance(next);
          }
        }
      }
      platform.advance(next);
    }
    checkLimits();
  }

  // ---- several processors

  /** A level-triggered interrupt has ended at some local APIC. */
  private void interruptEnded(int vector) {
    IoApic a = platform.ioApic;
    if (a != null) {
      a.endOfInterrupt(vector);
    }
  }

  /** A device or I/O APIC writes a message (AMD APM volume 2, 16.10). */
  private void interruptMessage(long address, int data) {
    int destination = (int) (address >>> 12) & 0xFF;
    boolean logical = (address & 4) != 0;
    boolean redirected = (address & 8) != 0;
    boolean level = (data >> 15 & 1) != 0;
    int delivery = data >> 8 & 7;
    // No message starts a processor.
    if (address >>> 20 == LocalApic.BASE >>> 20 && delivery != STARTUP) {
      deliver(
          a -> a.addressedBy(destination, logical, true),
          delivery == FIXED && redirected ? LOWEST_PRIORITY : delivery,
          data & 0xFF,
          level);
    }
  }

  /** An interrupt command of a local APIC (AMD APM volume 2, 16.5). */
  private void interruptCommand(int from, int command, int destination) {
    int delivery = command >> 8 & 7;
    boolean logical = (command >> 11 & 1) != 0;
    boolean assertion = (command >> 14 & 1) != 0;
    boolean level = (command >> 15 & 1) != 0;
    if (!assertion && (level || delivery == INIT)) {
      return;
    }
    LocalApic own = vcpus.get(from).apic;
    Predicate<LocalApic> meant =
        switch (command >> 18 & 3) {
          case 0 -> a -> a.addressedBy(destination, logical, false);
          case 1 -> a -> a == own;
          case 2 -> a -> true;
          default -> a -> a != own;
        };
    deliver(meant, delivery, command & 0xFF, level);
  }

  /** Hands an interrupt to the processors whose local APICs are meant; {@return to how many} */
  int deliver(Predicate<LocalApic> meant, int delivery, int vector, boolean level) {
    if (delivery == LOWEST_PRIORITY) {
      return deliverLowest(meant, vector, level);
    }
    int n = 0;
    for (HostVcpu v : vcpus) {
      LocalApic a = v.apic;
      if (a == null || !a.enabled() || !meant.test(a)) {
        continue;
      }
      n++;
      switch (delivery) {
        case FIXED -> a.request(vector, level);
        case NMI -> v.nonMaskable();
        case INIT -> init(v);
        case STARTUP -> startup(v, vector);
        default -> {
          // SMI and ExtINT: there is no SMM, and nobody answers an acknowledge cycle
        }
      }
    }
    return n;
  }

  /** The processor that has least to do takes it, of several the lowest-numbered one. */
  private int deliverLowest(Predicate<LocalApic> meant, int vector, boolean level) {
    LocalApic best = null;
    for (HostVcpu v : vcpus) {
      LocalApic a = v.apic;
      if (a != null
          && a.accepts()
          && meant.test(a)
          && (best == null || a.arbitrationPriority() < best.arbitrationPriority())) {
        best = a;
      }
    }
    if (best == null) {
      return 0;
    }
    best.request(vector, level);
    return 1;
  }

  /** INIT: an application processor waits for SIPI. The VMSA of an SEV-ES guest stays as it is. */
  private void init(HostVcpu v) {
    if (v.id == 0) {
      return;
    }
    if (v.apic != null) {
      v.apic.init();
    }
    if (v.cpu instanceof PlainVcpu) {
      v.state = HostVcpu.State.WAIT_FOR_SIPI;
      v.nmis = 0;
    }
  }

  /**
   * SIPI. The first one of an SEV-ES guest's vCPU runs its launch state, whatever the vector; later
   * ones release it from AP reset hold (spec: hypervisor-behaviour 1.7).
   */
  private void startup(HostVcpu v, int vector) {
    switch (v.state) {
      case WAIT_FOR_SIPI -> {
        if (v.cpu instanceof PlainVcpu p) {
          p.launch(
              new LaunchState()
                  .segment(LaunchState.CS, vector << 8, 0x9B, 0xFFFF, (long) vector << 12)
                  .set(LaunchState.RIP, 0));
        }
        wake(v);
        started(v, "SIPI, vector 0x" + Integer.toHexString(vector));
      }
      case RESET_HOLD_EVENT, RESET_HOLD_MSR -> {
        handlers.released(v);
        wake(v);
        started(v, "released from AP reset hold");
      }
      case RUNNABLE, HALTED -> {
        // A running processor ignores it.
      }
    }
  }

  private void started(HostVcpu v, String how) {
    if (observer != null) {
      observer.started(v.id, how);
    }
  }

  private static void waitForDevice(HostVcpu v) {
    v.cpu.idleUntil(v.cpu.now() + DEVICE_ACCESS);
  }

  /**
   * A guest that reads ACPI's timer again and again only wants time to pass: the longer it does,
   * the longer a read takes, up to a fortieth of a millisecond.
   */
  private void waitForTimer(HostVcpu v) {
    long now = v.cpu.now();
    boolean loop = now - v.timerRead < TIGHT_LOOP;
    v.timerWait =
        loop ? Math.min(LONGEST_TIMER_READ, v.timerWait + v.timerWait / 16) : DEVICE_ACCESS;
    v.cpu.idleUntil(now + v.timerWait);
    v.timerRead = v.cpu.now();
  }

  /** Reads a port for a vCPU, 1, 2 or 4 bytes. */
  int readPort(HostVcpu v, int port, int bytes) {
    if (port == platform.timerPort()) {
      waitForTimer(v);
    } else {
      waitForDevice(v);
    }
    return platform.ports.read(port, bytes);
  }

  /** Writes a port for a vCPU. */
  void writePort(HostVcpu v, int port, int bytes, int value) {
    waitForDevice(v);
    platform.ports.write(port, bytes, value);
  }

  /** Reads the local APIC of a vCPU or the empty bus, 1 to 8 bytes. */
  long readMmio(HostVcpu v, long gpa, int bytes) {
    LocalApic a = v.apic;
    if (a != null && a.covers(gpa)) {
      if (!a.enabled() || a.x2Mode()) {
        return -1L >>> 64 - 8 * bytes;
      }
      int r = a.read((int) gpa & 0xFF0, v.cpu.now());
      return (r & 0xFFFF_FFFFL) >>> 8 * ((int) gpa & 3) & -1L >>> 64 - 8 * bytes;
    }
    waitForDevice(v);
    return platform.mmio.read(gpa, bytes);
  }

  /** Writes to the local APIC of a vCPU or the empty bus. */
  void writeMmio(HostVcpu v, long gpa, int bytes, long value) {
    LocalApic a = v.apic;
    if (a != null && a.covers(gpa)) {
      if (a.enabled() && !a.x2Mode() && bytes == 4 && (gpa & 15) == 0) {
        a.write((int) gpa & 0xFF0, (int) value, v.cpu.now());
      }
      return;
    }
    waitForDevice(v);
    platform.mmio.write(gpa, bytes, value);
  }

  // ---- exits

  private void handleExit(HostVcpu hv) {
    Vmcb v = hv.cpu.vmcb();
    int code = v.exitCode();
    long info1 = v.get(Vmcb.EXITINFO1);
    long info2 = v.get(Vmcb.EXITINFO2);
    if (code == ExitCode.VMGEXIT && !(hv.cpu instanceof PlainVcpu)) {
      if (observer != null) {
        observer.vmgexit(v.get(Vmcb.GHCB_GPA));
      }
      long msr = v.get(Vmcb.GHCB_GPA);
      handlers.vmgexit(hv);
      faults.answered(this, hv, msr);
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
      case ExitCode.INTR, ExitCode.VINTR, 0x61, 0x77 -> {
        // the loop looks at time and interrupts anyway
      }
      case ExitCode.SHUTDOWN -> end(Outcome.SHUTDOWN, "guest shut down (triple fault)" + hint(hv));
      case ExitCode.INVALID ->
          end(Outcome.GAVE_UP, "VMRUN refused the guest state (VMEXIT_INVALID)");
      default -> handlers.exit(hv, code, info1, info2);
    }
  }

  private String hint(HostVcpu v) {
    return !(v.cpu instanceof PlainVcpu) && v.cpu.instructions() < 100_000
        ? "; a kernel without SEV-ES support dies like this at its first #VC: try --sev off"
        : "";
  }
}
