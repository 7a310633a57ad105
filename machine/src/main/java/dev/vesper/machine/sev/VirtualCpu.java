package dev.vesper.machine.sev;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.Intercepts;
import dev.vesper.machine.cpu.QueuedEvents;
import dev.vesper.machine.cpu.RetiredEvents;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.observe.Pause;
import java.security.MessageDigest;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A processor as its host sees it: a VMCB to fill in, VMRUN, and virtual time. The processor itself
 * is not to be had from here.
 */
public abstract sealed class VirtualCpu permits PlainVcpu, EncryptedVcpu {
  /** Bits of VMCB 090. */
  public static final long NP_ENABLE = 1;

  public static final long SEV_ENABLE = 2;
  public static final long SEV_ES_ENABLE = 4;

  /** VMCB clean bits: intercepts, and the two permission maps with the ASID's neighbours. */
  public static final int CLEAN_INTERCEPTS = 1;

  public static final int CLEAN_PERMISSION_MAPS = 2;

  final Cpu cpu;
  final PhysicalMemory memory;
  private final Vmcb vmcb;

  /** The page of the VMCB. */
  final int vmcbFrame;

  /** The processor is inside VMRUN: it executes or has paused, and has the guest's registers. */
  private boolean inside;

  /** Instruction count at which the physical interrupt arrives. */
  private long interruptAt;

  VirtualCpu(Cpu cpu, PhysicalMemory memory) {
    this.cpu = cpu;
    this.memory = memory;
    vmcbFrame = memory.allocateHostPage();
    vmcb = new Vmcb(memory.page(vmcbFrame, Page.SHARED));
  }

  /** {@return the VMCB, which lies in the host's memory} */
  public final Vmcb vmcb() {
    return vmcb;
  }

  /** {@return virtual time in nanoseconds} */
  public final long now() {
    return cpu.now();
  }

  /** {@return instructions executed so far} */
  public final long instructions() {
    return cpu.icount;
  }

  /** Counts the events of {@link #events} from now on, which takes time, or no longer. */
  public final void countEvents(boolean on) {
    cpu.countRetired(on);
  }

  /** {@return whether performance counters can count an event} */
  public static boolean counts(int select) {
    return RetiredEvents.Kind.of(select) != null;
  }

  /**
   * {@return how many events there were while they were counted}
   *
   * @param select the event's number in a performance counter's control
   * @param edges only those without one at the instruction before
   */
  public final long events(int select, boolean supervisor, boolean user, boolean edges) {
    RetiredEvents.Kind k = RetiredEvents.Kind.of(select);
    return k == null ? 0 : cpu.retired().count(k, supervisor, user, edges);
  }

  /** Has the processor pause inside VMRUN soon, from any thread, and from then on each time. */
  public final void stop() {
    cpu.stop();
  }

  /** Lets virtual time pass while the guest is halted. */
  public final void idleUntil(long time) {
    if (time > cpu.now()) {
      cpu.idleTime += time - cpu.now();
    }
  }

  /** Adds the architectural state that memory does not hold to a digest, for the state hash. */
  public final void digest(MessageDigest d) {
    byte[] b = new byte[Page.SIZE];
    state(b);
    if (inside) {
      // Memory has what the last exit stored.
      SaveArea.store(cpu, b);
      SaveArea.storeProtected(cpu, b);
      storeMore(b);
    }
    Page.LONG.set(b, 0xF00, cpu.icount);
    Page.LONG.set(b, 0xF08, cpu.idleTime);
    Page.LONG.set(b, 0xF10, cpu.ghcbMsr);
    d.update(b);
  }

  /**
   * Names what of memory has nothing to say while the processor is inside VMRUN: where the last
   * exit stored the guest's state if somebody has looked at it since, and has not where nobody has.
   *
   * @param to gains the page, and the offset that its bytes count up to
   */
  public final void stale(Map<Integer, Integer> to) {
    if (inside) {
      staleArea(to);
    }
  }

  /** Of {@link #stale}. */
  abstract void staleArea(Map<Integer, Integer> to);

  /** What {@link #enter} gives if it has loaded guest state. */
  static final int ENTERED = 0;

  /** Loads guest state, or leaves it; {@return {@link #ENTERED}, or why not: a code of an exit} */
  abstract int enter();

  /** {@return the event to be injected, which is taken from where it was} */
  long takeEvent() {
    long event = vmcb.get(Vmcb.EVENTINJ);
    vmcb.set(Vmcb.EVENTINJ, 0);
    return event;
  }

  /** Stores guest state. */
  abstract void leave();

  /** Says that the processor runs from the state's page, or no longer: nobody else may have it. */
  abstract void use(boolean on);

  /** Stores what the guest's features add to its state. */
  abstract void storeMore(byte[] area);

  /** {@return whether the processor still has all of it, as {@link #enter} would load it} */
  abstract boolean holds();

  /** Has the state in memory now, where the next VMRUN judges it. */
  abstract void settle();

  /** Writes what else an exit tells the host of this guest. */
  abstract void tell(int code);

  /** Copies the guest's state in save-area layout. */
  abstract void state(byte[] to);

  private void loadControls() {
    Intercepts i = cpu.intercepts;
    int clean = vmcb.getInt(Vmcb.CLEAN);
    if ((clean & CLEAN_INTERCEPTS) == 0) {
      i.cr = vmcb.getInt(Vmcb.INTERCEPT_CR);
      i.dr = vmcb.getInt(Vmcb.INTERCEPT_DR);
      i.exceptions = vmcb.getInt(Vmcb.INTERCEPT_EXCEPTIONS);
      i.vector4 = vmcb.getInt(Vmcb.INTERCEPT_VECTOR4);
      i.vector5 = vmcb.getInt(Vmcb.INTERCEPT_VECTOR5);
      i.es = (vmcb.get(Vmcb.NESTED_CTL) & SEV_ES_ENABLE) != 0;
    }
    i.vector3 = vmcb.getInt(Vmcb.INTERCEPT_VECTOR3);
    if ((clean & CLEAN_PERMISSION_MAPS) == 0) {
      i.msrPermission = copy(vmcb.get(Vmcb.MSRPM_BASE), 2);
      i.ioPermission = copy(vmcb.get(Vmcb.IOPM_BASE), 3);
    }
    cpu.tscOffset = vmcb.get(Vmcb.TSC_OFFSET);
    QueuedEvents q = cpu.queued();
    if (q != null) {
      cpu.cr8 = q.taskPriority();
      cpu.nmiBlocked = q.nmiMasked();
      cpu.interruptWindow = cpu.queueWaits();
    } else {
      cpu.cr8 = vmcb.get(Vmcb.V_INTR) & 15;
      cpu.interruptWindow = (vmcb.get(Vmcb.V_INTR) & Vmcb.V_IRQ) != 0 && i.wants(ExitCode.VINTR);
    }
  }

  private byte[] copy(long address, int pages) {
    byte[] b = new byte[pages * Page.SIZE];
    memory.hostView().read(address, b, 0, b.length);
    return b;
  }

  private boolean controlsLegal() {
    long nested = vmcb.get(Vmcb.NESTED_CTL);
    boolean es = (nested & SEV_ES_ENABLE) != 0;
    boolean sev = (nested & SEV_ENABLE) != 0;
    return (nested & NP_ENABLE) != 0
        && (int) vmcb.get(Vmcb.ASID) != 0
        && (vmcb.getInt(Vmcb.INTERCEPT_VECTOR4) & 1) != 0
        && (!es || sev && (vmcb.get(Vmcb.VIRT_EXT) & 1) != 0)
        && (vmcb.getInt(Vmcb.INTERCEPT_EXCEPTIONS) & 1 << 29) == 0;
  }

  /** {@return whether an event in EVENTINJ format is one that VMRUN takes} */
  static boolean eventLegal(long event, boolean es) {
    if ((event & 1L << 31) == 0) {
      return true;
    }
    int type = (int) (event >>> 8) & 7;
    int vector = (int) event & 0xFF;
    return switch (type) {
      case 0 -> true;
      case 2 -> true;
      case 3 -> vector < 32 && vector != 2 && !(es && (vector == 3 || vector == 4));
      case 4 -> !es;
      default -> false;
    };
  }

  /**
   * VMRUN, until #VMEXIT. EXITCODE and its companions are in the VMCB afterwards.
   *
   * @param deadline virtual time at which the physical interrupt arrives, as #VMEXIT(INTR)
   * @return false if an observer has the processor pause before: {@link #goOn} is next, or {@link
   *     #interrupt}
   */
  public final boolean run(long deadline) {
    int refusal = controlsLegal() ? enter() : ExitCode.INVALID;
    if (refusal != ENTERED) {
      exit(refusal, 0, 0);
      return true;
    }
    inside = true;
    use(true);
    loadControls();
    cpu.ghcbMsr = vmcb.get(Vmcb.GHCB_GPA);
    QueuedEvents queued = cpu.queued();
    cpu.interruptShadow = queued == null ? vmcb.interruptShadow() : queued.shadowed();
    // What a load of SS holds back ends with its shadow.
    cpu.stackSwitchShadow &= cpu.interruptShadow;
    long event = takeEvent();
    boolean running = true;
    if ((event & 1L << 31) != 0) {
      running = cpu.inject(event);
    }
    if (running) {
      long left = deadline - cpu.now();
      interruptAt =
          left <= 0
              ? cpu.icount
              : left > Long.MAX_VALUE - cpu.icount ? Long.MAX_VALUE : cpu.icount + left;
      return goOn();
    }
    exited();
    return true;
  }

  private void exited() {
    if (cpu.exitCode != ExitCode.EXCP0 + Cpu.VC) {
      tellGuest((int) cpu.exitCode, cpu.exitInfo1, cpu.exitInfo2);
    }
    outside();
    exit((int) cpu.exitCode, cpu.exitInfo1, cpu.exitInfo2);
  }

  /**
   * What more privileged levels find in the save area: what the host does, but for a reflected #VC.
   */
  private void tellGuest(int code, long info1, long info2) {
    cpu.guestExitCode = code;
    cpu.guestExitInfo1 = info1;
    cpu.guestExitInfo2 = info2;
  }

  /** Goes on with VMRUN behind a pause; {@return false if it pauses again} */
  public final boolean goOn() {
    cpu.run(interruptAt);
    if (cpu.paused() != null) {
      return false;
    }
    exited();
    return true;
  }

  /**
   * Has the physical interrupt of a turn that has paused arrive no later than so far on.
   *
   * @param left instructions
   */
  public final void interruptWithin(long left) {
    interruptAt = Math.min(interruptAt, cpu.icount + left);
  }

  /** The physical interrupt arrives where the processor has paused: #VMEXIT(INTR). */
  public final void interrupt() {
    tellGuest(ExitCode.INTR, 0, 0);
    outside();
    exit(ExitCode.INTR, 0, 0);
  }

  private void outside() {
    inside = false;
    use(false);
    leave();
  }

  /** {@return whether the processor is inside VMRUN, where it executes or has paused} */
  final boolean inside() {
    return inside;
  }

  /** {@return why the processor has paused inside VMRUN, or null if it is not there} */
  public final @Nullable Pause paused() {
    return inside ? cpu.paused() : null;
  }

  /** Has the processor pause inside VMRUN before the next instruction; from its own thread. */
  public final void pauseSoon() {
    cpu.pauseSoon();
  }

  /**
   * Says when to pause inside VMRUN.
   *
   * @param instructions count of this vCPU, or {@link Long#MAX_VALUE}
   */
  public final void pauseAt(long instructions) {
    cpu.pauseAt(instructions);
  }

  /**
   * Lets a run go on: what it has paused for is over.
   *
   * @param past whether the next instruction is executed although an observer waits for it
   */
  public final void resume(boolean past) {
    cpu.resume(past);
  }

  private void exit(int code, long info1, long info2) {
    vmcb.set(Vmcb.EXITCODE, code);
    vmcb.set(Vmcb.EXITINFO1, info1);
    vmcb.set(Vmcb.EXITINFO2, info2);
    vmcb.set(Vmcb.EXITINTINFO, cpu.exitIntInfo);
    vmcb.set(Vmcb.GHCB_GPA, cpu.ghcbMsr);
    boolean own = cpu.queued() != null;
    if (!own) {
      vmcb.set(Vmcb.V_INTR, vmcb.get(Vmcb.V_INTR) & ~15L | cpu.cr8);
    }
    vmcb.set(Vmcb.NRIP, this instanceof PlainVcpu ? cpu.exitNextRip : 0);
    boolean es = (vmcb.get(Vmcb.NESTED_CTL) & SEV_ES_ENABLE) != 0;
    long shadow = cpu.interruptShadow && !own ? 1 : 0;
    vmcb.set(Vmcb.INTERRUPT_SHADOW, shadow | (es && (cpu.eflags & CpuState.IF) != 0 ? 2 : 0));
    vmcb.setInt(Vmcb.CLEAN, CLEAN_INTERCEPTS | CLEAN_PERMISSION_MAPS);
    tell(code);
  }
}
