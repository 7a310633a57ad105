package dev.vesper.machine.vmm;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.device.AcpiPm;
import dev.vesper.machine.device.Timed;
import dev.vesper.machine.device.net.Network;
import dev.vesper.machine.input.InputLog;
import dev.vesper.machine.input.RunEnd;
import dev.vesper.machine.observe.Pause;
import dev.vesper.machine.sev.LaunchState;
import dev.vesper.machine.sev.PlainVcpu;
import dev.vesper.machine.sev.VirtualCpu;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.machine.spec.Outcome;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/**
 * Which vCPU runs when, idling and sleep, and when a run comes back.
 *
 * <p>vCPUs take turns on one thread: the one whose virtual time is least runs next, for {@link
 * #QUANTUM} at most, so a run is the same every time.
 *
 * <p>A run may be called again. Where an observer has it come back in the middle of a vCPU's turn,
 * the processor stays inside VMRUN and goes on from there: a guest that was looked at does what it
 * does unobserved. The limits of {@link #limit} instead are part of the machine: they end VMRUN.
 */
public final class RunLoop {
  /** Virtual time between looks at limits and input while the guest computes. */
  private static final long SLICE = 10_000_000L;

  /**
   * Virtual time that a vCPU may run ahead of another one. It is a prime number, so that no short
   * loop is left at the same instruction each time: one that takes a lock, gives it back and takes
   * it again would be left with the lock for ever, and the vCPU that waits for it would never have
   * it.
   */
  private static final long QUANTUM = 9_973L;

  private static final int MOST_UNSEEN_EVENTS = 100_000;

  private static final int MOST_EXITS_WITHOUT_PROGRESS = 10_000;

  /** Why a run has come back. */
  public enum Halt {
    /** The guest's life is over: see {@link Hypervisor#outcome}. */
    ENDED,
    /** The machine's limit of instructions. */
    INSTRUCTION_LIMIT,
    /** The machine's limit of real time. */
    TIME_LIMIT,
    /** The goal's count of instructions. */
    INSTRUCTIONS,
    /** The goal's virtual time. */
    VIRTUAL_TIME,
    /** The goal's real time. */
    REAL_TIME,
    /** The goal's vCPU has executed its instructions. */
    VCPU_INSTRUCTIONS,
    /** An instruction that an observer waits for is next. */
    CODE,
    /** Data that an observer waits for was accessed. */
    DATA,
    /** {@link #pauseSoon} was called. */
    EVENT,
    /** {@link #stop} was called. */
    REQUESTED,
    /** A replayed run has come to where somebody outside had ended it. */
    RECORDED,
    /** A replayed run has come to where somebody outside had changed it. */
    CHANGE
  }

  /**
   * Until when to run, if nothing else ends it.
   *
   * @param instructions count of all vCPUs together
   * @param virtualTime nanoseconds
   * @param realTime point of {@link System#nanoTime}
   * @param vcpu whose instructions the next one counts, or -1
   * @param vcpuInstructions count of that vCPU
   */
  public record Goal(
      long instructions, long virtualTime, long realTime, int vcpu, long vcpuInstructions) {
    /** Until the guest's life is over. */
    public static final Goal END = of(Long.MAX_VALUE, Long.MAX_VALUE, Long.MAX_VALUE);

    /** {@return a goal of the whole machine} */
    public static Goal of(long instructions, long virtualTime, long realTime) {
      return new Goal(instructions, virtualTime, realTime, -1, Long.MAX_VALUE);
    }

    /** {@return a goal of one vCPU} */
    public static Goal ofVcpu(int vcpu, long instructions) {
      return new Goal(Long.MAX_VALUE, Long.MAX_VALUE, Long.MAX_VALUE, vcpu, instructions);
    }
  }

  private final Hypervisor host;
  private final Outsiders outsiders;
  private transient Goal goal = Goal.END;

  /** The vCPU that has paused in its turn, or null between turns. */
  private @Nullable HostVcpu paused;

  /** Appointments that the host had made when the turn began. */
  private long appointed;

  /** Instructions that it had executed when its turn began. */
  private long before;

  private transient boolean started;
  private transient boolean pauseWanted;
  private transient boolean settling;

  /** A turn was ended because real time is up. */
  private boolean leftTurn;

  private transient volatile boolean stopWanted;
  private transient long instructionLimit = Long.MAX_VALUE;
  private transient long realLimit = Long.MAX_VALUE;
  private transient long realDeadline = Long.MAX_VALUE;

  /** Asked where a vCPU has paused at code: whether the host's interrupt comes there. */
  private IntPredicate atCode = v -> false;

  RunLoop(Hypervisor host) {
    this.host = host;
    outsiders = new Outsiders(host);
  }

  /**
   * Has the host's timer interrupt a vCPU where it has paused at code, by #VMEXIT(INTR), instead of
   * a run that comes back.
   *
   * @param wanted whether to, given the vCPU's number
   */
  public void interruptAtCode(IntPredicate wanted) {
    atCode = wanted;
  }

  /**
   * Limits runs.
   *
   * @param instructions count of all vCPUs together
   * @param realNanoTime point of {@link System#nanoTime}, or {@link Long#MAX_VALUE}
   */
  public void limit(long instructions, long realNanoTime) {
    instructionLimit = instructions;
    realLimit = realNanoTime;
  }

  /** Has the run, or else the next one, come back soon; from any thread. */
  public void stop() {
    synchronized (this) {
      stopWanted = true;
      host.processorsOfHost().forEach(VirtualCpu::stop);
    }
    host.inputs.console().wake();
  }

  /**
   * {@return whether a stop is wanted, which it no longer is then} Whoever asks for one has told
   * all processors by then: none is told when the run has come back and another goes on.
   */
  private synchronized boolean takeStop() {
    boolean wanted = stopWanted;
    stopWanted = false;
    return wanted;
  }

  /**
   * Takes the processor back from a vCPU that has paused in its turn, as a limit does: what happens
   * to the machine from outside happens between turns.
   */
  void takeBack() {
    HostVcpu v = paused;
    if (v != null) {
      v.cpu.interrupt();
      paused = null;
      end(v);
    }
  }

  /** Takes back what {@link #stop} has asked the next run for. */
  public void forgetStop() {
    takeStop();
  }

  /** Has the run come back before the next instruction; from its own thread. */
  public void pauseSoon() {
    pauseWanted = true;
    host.current.cpu.pauseSoon();
  }

  /** {@return whether the run has come back in a vCPU's turn, which may have been ended for it} */
  public boolean inTurn() {
    return paused != null || leftTurn;
  }

  /** {@return whether a vCPU has paused in its turn} */
  public boolean isInside() {
    return paused != null;
  }

  /** {@return the vCPU whose turn it is or was} */
  public int current() {
    return host.current.id;
  }

  /**
   * Runs the guest on until a vCPU is about to execute an instruction: whatever comes before that,
   * such as an interrupt that is delivered, has happened then.
   *
   * @return {@link Halt#EVENT}, or why the run has come back before
   */
  public Halt settle() {
    settling = true;
    try {
      return run(Goal.END, true);
    } finally {
      settling = false;
    }
  }

  /**
   * Runs the guest on.
   *
   * @param past whether an instruction that an observer waits for is executed if it is the next
   */
  public Halt run(Goal until, boolean past) {
    goal = until;
    pauseWanted = false;
    leftTurn = false;
    for (HostVcpu v : host.vcpus) {
      v.cpu.resume(past && started && v == host.current);
      if (settling) {
        v.cpu.pauseSoon();
      }
    }
    started = true;
    realDeadline = Math.min(realLimit, goal.realTime);
    if (realDeadline == Long.MAX_VALUE) {
      return loop();
    }
    // What a guest executes may take ten thousand times as long as it usually does.
    Thread clock = Thread.ofPlatform().daemon().name("time limit").start(this::stopInTime);
    try {
      return loop();
    } finally {
      // It must not stop the next run.
      clock.interrupt();
      joinUninterruptibly(clock);
    }
  }

  private static void joinUninterruptibly(Thread t) {
    boolean interrupted = false;
    while (t.isAlive()) {
      try {
        t.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
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
    host.processorsOfHost().forEach(VirtualCpu::stop);
  }

  private Halt loop() {
    for (; ; ) {
      HostVcpu v = paused;
      boolean exited;
      if (v != null && host.program().appointed() != appointed) {
        // The turn was given without knowing of an appointment that was made in its pause.
        takeBack();
        continue;
      }
      if (v != null) {
        if (instructionLimit != Long.MAX_VALUE) {
          // The turn may have been given before there was this limit.
          v.cpu.interruptWithin(Math.max(0, instructionLimit - host.instructions()));
        }
        pauseInTurn(v);
        exited = v.cpu.goOn();
      } else {
        host.inputs.judge(host);
        if (host.outcome() != null) {
          return Halt.ENDED;
        }
        if (host.inputs.log().isChangeDue(false)) {
          return Halt.CHANGE;
        }
        if (host.inputs.endsHere(false) != null) {
          return Halt.RECORDED;
        }
        if (host.platform.work.unfinished()) {
          // As if it had been done at once: nothing else happens before.
          Halt now = stopNow();
          if (now != null) {
            return now;
          }
          host.inputs.log().point();
          host.platform.work.goOn();
          continue;
        }
        Halt due = due();
        if (due != null) {
          return due;
        }
        if (host.platform.reset.asleep()) {
          Halt now = stopNow();
          if (now != null) {
            return now;
          }
          host.inputs.log().point();
          sleep();
          continue;
        }
        if (host.now() >= host.haltedEvent) {
          advanceHalted();
        }
        v = next();
        if (v == null) {
          idle();
        } else {
          look(v);
        }
        Halt limit =
            host.outcome() != null
                ? null
                : host.inputs.endsHere(false) != null ? Halt.RECORDED : limit();
        if (limit != null) {
          return limit;
        }
        if (v == null || host.outcome() != null) {
          continue;
        }
        exited = begin(v);
      }
      paused = exited ? null : v;
      if (exited) {
        end(v);
        continue;
      }
      if (host.inputs.log().isChangeDue(true)) {
        return Halt.CHANGE;
      }
      RunEnd recorded = host.inputs.endsHere(true);
      Halt why = recorded != null ? Halt.RECORDED : why(v);
      boolean wanted = why == Halt.CODE && atCode.test(v.id);
      boolean late = recorded != null && recorded.cause() == RunEnd.Cause.TIME;
      if (why == Halt.TIME_LIMIT || late || wanted) {
        v.cpu.interrupt();
        paused = null;
        leftTurn = !wanted;
        end(v);
      }
      if (wanted) {
        v.cpu.resume(true);
        continue;
      }
      return why;
    }
  }

  /** {@return why to come back wherever the machine is, or null to go on} */
  private @Nullable Halt stopNow() {
    if (stopWanted && takeStop()) {
      return Halt.REQUESTED;
    }
    return reached(realLimit) ? Halt.TIME_LIMIT : reached(goal.realTime) ? Halt.REAL_TIME : null;
  }

  /** {@return why to come back between turns, or null to go on} */
  private @Nullable Halt due() {
    if (pauseWanted) {
      // It is told of now or never; whoever wants a stop besides has the next run come back.
      return Halt.EVENT;
    }
    if (stopWanted && takeStop()) {
      return Halt.REQUESTED;
    }
    if (goal == Goal.END) {
      return null;
    }
    if (host.instructions() >= goal.instructions) {
      return Halt.INSTRUCTIONS;
    }
    if (goal.virtualTime != Long.MAX_VALUE && host.now() >= goal.virtualTime) {
      return Halt.VIRTUAL_TIME;
    }
    if (goal.vcpu >= 0 && host.vcpus.get(goal.vcpu).cpu.instructions() >= goal.vcpuInstructions) {
      return Halt.VCPU_INSTRUCTIONS;
    }
    return reached(goal.realTime) ? Halt.REAL_TIME : null;
  }

  private static boolean reached(long realTime) {
    return realTime != Long.MAX_VALUE && System.nanoTime() - realTime >= 0;
  }

  /** {@return the limit that is reached, or null} */
  private @Nullable Halt limit() {
    return instructionLimit != Long.MAX_VALUE && host.instructions() >= instructionLimit
        ? Halt.INSTRUCTION_LIMIT
        : reached(realLimit) ? Halt.TIME_LIMIT : null;
  }

  /** {@return why to come back in a turn} */
  private Halt why(HostVcpu v) {
    Pause p = v.cpu.paused();
    return switch (p) {
      case CODE -> Halt.CODE;
      case DATA -> Halt.DATA;
      case EVENT -> Halt.EVENT;
      case STOPPED -> {
        boolean asked = takeStop();
        yield asked ? Halt.REQUESTED : reached(realLimit) ? Halt.TIME_LIMIT : Halt.REAL_TIME;
      }
      case COUNT ->
          host.instructions() >= goal.instructions
              ? Halt.INSTRUCTIONS
              : v.cpu.now() >= goal.virtualTime ? Halt.VIRTUAL_TIME : Halt.VCPU_INSTRUCTIONS;
      case null -> throw new AssertionError("a vCPU has come back for no reason");
    };
  }

  /** Says where in its turn a vCPU reaches the goal. */
  private void pauseInTurn(HostVcpu v) {
    InputLog log = host.inputs.log();
    long end = Math.min(log.endsInTurn(), log.changesInTurn());
    if (goal == Goal.END && end == Long.MAX_VALUE) {
      v.cpu.pauseAt(Long.MAX_VALUE);
      return;
    }
    long n = v.cpu.instructions();
    long at = behind(n, Math.min(end, goal.instructions), host.instructions());
    at = Math.min(at, behind(n, goal.virtualTime, v.cpu.now()));
    v.cpu.pauseAt(v.id == goal.vcpu ? Math.min(at, goal.vcpuInstructions) : at);
  }

  private static long behind(long n, long goal, long now) {
    return goal == Long.MAX_VALUE ? goal : n + Math.max(0, goal - now);
  }

  // ---- turns

  /** {@return the runnable vCPU whose virtual time is least, or null} */
  private @Nullable HostVcpu next() {
    HostVcpu best = null;
    for (int i = 0; i < host.vcpus.size(); i++) {
      HostVcpu v = host.vcpus.get(i);
      if (v.canWake() && (!v.interruptsEnabled() || host.interrupts.requesting(v) || v.nmiDue())) {
        host.wake(v);
      }
      if (v.state == HostVcpu.State.RUNNABLE && (best == null || v.cpu.now() < best.cpu.now())) {
        best = v;
      }
    }
    return best;
  }

  /** A vCPU's turn has come: brings devices up to its time. */
  private void look(HostVcpu v) {
    if (host.current != v) {
      host.current = v;
      if (host.observer != null) {
        host.observer.running(v.id);
      }
    }
    long now = v.cpu.now();
    host.platform.advance(host.now());
    if (v.apic != null) {
      v.apic.advance(now);
    }
    Interrupts.lookAtCounters(v);
    host.inputs.look(host);
    host.inputs.act(host);
    host.interrupts.lookAtExternal();
    feedInput(false);
  }

  /** Runs a vCPU; {@return false if it pauses in its turn} */
  private boolean begin(HostVcpu v) {
    host.inputs.log().point();
    long now = v.cpu.now();
    boolean due = host.interrupts.requesting(v) || v.nmiDue();
    if (due && Vmpls.interrupted(v) && host.observer != null) {
      host.observer.exit(ExitCode.INTR, 0, 0);
    }
    Vmpls.entering(v);
    before = v.cpu.instructions();
    host.program().entering(host, v);
    appointed = host.program().appointed();
    host.interrupts.prepare(v);
    host.platform.work.refill();
    long deadline = Math.min(nextEvent(v), now + (host.vcpus.size() == 1 ? SLICE : QUANTUM));
    deadline = Math.min(deadline, Math.min(host.haltedEvent, Interrupts.nmiWindow(v, now)));
    deadline = Math.min(deadline, Math.max(now, host.program().nextTime()));
    long own = host.program().left(v);
    if (own < deadline - now) {
      deadline = now + own;
    }
    host.handlers.entering(v);
    long appointment = host.program().nextAppointment();
    if (Math.min(instructionLimit, appointment) != Long.MAX_VALUE) {
      long executed = host.instructions();
      // An appointment that is due waits for another event, and is kept as soon as that is
      // delivered.
      long left = Math.min(instructionLimit, Math.max(appointment, executed)) - executed;
      if (left < deadline - now) {
        deadline = now + left;
      }
    }
    pauseInTurn(v);
    return v.cpu.run(deadline);
  }

  private void end(HostVcpu v) {
    if (v.apic != null) {
      v.apic.setTaskPriority((int) v.cpu.vmcb().get(Vmcb.V_INTR) & 15);
    }
    v.everEnabledInterrupts |= v.interruptsEnabled();
    host.inputs.turnEnds(v);
    host.exited(v);
    checkPorts();
    if (host.outcome() == null && host.platform.reset.asleep()) {
      return;
    }
    v.stuck = v.cpu.instructions() == before ? v.stuck + 1 : 0;
    if (v.stuck > MOST_EXITS_WITHOUT_PROGRESS) {
      host.end(Outcome.GAVE_UP, "the guest exits again and again without executing an instruction");
    }
  }

  private long nextEvent(HostVcpu v) {
    long next = Math.min(host.platform.nextEvent(), v.counters.nextOverflow(v.cpu));
    return v.apic == null ? next : Math.min(next, v.apic.nextEvent());
  }

  private void checkPorts() {
    Platform p = host.platform;
    if (p.reset.exitValue() >= 0) {
      host.end(Outcome.guestExit(p.reset.exitValue()));
    } else if (p.reset.poweredOff()) {
      host.end(Outcome.POWER_OFF, "guest powered off");
    } else if (p.reset.resetRequested()) {
      host.resets.asked(new Outcome(Outcome.POWER_OFF, "guest asked for a reset"));
    }
  }

  private boolean feedInput(boolean idle) {
    boolean any = false;
    Platform p = host.platform;
    while (p.com1.canReceive() && p.com1.wantsInput(idle)) {
      int returned = p.com1.returned();
      int b = returned >= 0 ? returned : host.inputs.poll();
      if (b < 0) {
        break;
      }
      p.com1.receive(b);
      any = true;
    }
    return any;
  }

  // ---- sleep and idling

  /** Suspend to RAM: nothing runs but clock and timer, until one of them wakes the machine. */
  private void sleep() {
    AcpiPm pm = host.platform.power();
    if (pm != null && !pm.wakes()) {
      long next = host.platform.nextWakeEvent();
      if (next == Timed.NEVER) {
        host.end(Outcome.GAVE_UP, "guest sleeps, and no alarm is set that could wake it");
        return;
      }
      host.vcpus.forEach(v -> v.cpu.idleUntil(next));
      host.platform.advance(next);
      return;
    }
    LaunchState state = host.resumesAt();
    if (state == null) {
      host.end(Outcome.GAVE_UP, "guest wakes, but its FACS has no waking vector");
    } else if (host.vcpus.get(0).cpu instanceof PlainVcpu p) {
      Platform asleep = host.platform;
      host.reset();
      host.platform.wokenFrom(asleep);
      for (HostVcpu v : host.vcpus) {
        if (v.cpu instanceof PlainVcpu other) {
          other.reset(new LaunchState());
        }
      }
      p.reset(state);
      host.interrupts.started(host.vcpus.get(0), "woken from suspend to RAM");
    }
  }

  /** Lets the timers of halted vCPUs run on while others execute. */
  private void advanceHalted() {
    host.haltedEvent = Timed.NEVER;
    for (HostVcpu v : host.vcpus) {
      if (v.apic != null && v.state == HostVcpu.State.HALTED) {
        v.apic.advance(host.now());
        host.haltedEvent = Math.min(host.haltedEvent, v.apic.nextEvent());
      }
    }
  }

  /** Nobody can run: lets virtual time jump to the next event. */
  private void idle() {
    host.resets.idles();
    if (host.vcpus.stream().noneMatch(HostVcpu::canWake)) {
      HostVcpu boot = host.vcpus.get(0);
      if (boot.state != HostVcpu.State.HALTED) {
        host.end(
            Outcome.GAVE_UP, "every vCPU waits in AP reset hold: nobody is left to send a SIPI");
        return;
      }
      RestrictedInjection restricted = host.restricted;
      if (restricted != null && restricted.isUnseen(boot)) {
        host.end(
            Outcome.GAVE_UP,
            "guest halted and left an event in its #HV doorbell page: nothing can wake it");
        return;
      }
      if (boot.level().alternate()) {
        host.end(
            Outcome.GAVE_UP,
            "guest halted at VMPL"
                + boot.vmpl
                + " with AlternateInjection, and no more privileged one takes the host's"
                + " interrupts: nothing can wake it");
        return;
      }
      boolean ever = boot.everEnabledInterrupts;
      host.end(
          ever ? Outcome.POWER_OFF : Outcome.GAVE_UP,
          ever ? "guest halted with interrupts disabled" : host.handlers.haltedForGood());
      return;
    }
    boolean acted = host.inputs.act(host);
    host.inputs.lookAtEnd();
    if (feedInput(true) || acted) {
      return;
    }
    if (++host.unseenEvents > MOST_UNSEEN_EVENTS && outsiders.none()) {
      host.end(Outcome.GAVE_UP, "guest halted with every interrupt masked: nothing can wake it");
      return;
    }
    long next = host.platform.nextOwnEvent();
    for (HostVcpu v : host.vcpus) {
      if (v.apic != null && v.canWake()) {
        next = Math.min(next, v.apic.nextEvent());
      }
    }
    if (next == Timed.NEVER && outsiders.none()) {
      host.end(Outcome.GAVE_UP, "guest halted with no timer set and no input: nothing can wake it");
      return;
    }
    if (!outsiders.none()) {
      long now = host.now();
      long nanos = next == Timed.NEVER ? next : next - now;
      Inputs.Wait w =
          host.inputs.idle(() -> outsiders.await(nanos, realDeadline, () -> stopWanted));
      List<Network> live = host.platform.live();
      if (w.heard() >= 0 && w.heard() < live.size()) {
        live.get(w.heard()).heard();
      }
      if (feedInput(true)) {
        return;
      }
      if (w.passed() >= 0) {
        next = now + Math.min(w.passed(), nanos);
      }
    }
    if (next != Timed.NEVER) {
      for (HostVcpu v : host.vcpus) {
        if (v.canWake()) {
          v.cpu.idleUntil(next);
          if (v.apic != null) {
            v.apic.advance(next);
          }
        }
      }
      host.platform.advance(next);
    }
  }
}
