package dev.vesper.machine.sev;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.memory.ExternalBus;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import java.util.Map;

/**
 * A vCPU whose registers are not encrypted: RAX, RSP and RIP are in the VMCB's save area, the other
 * general registers are where the host's VMRUN stub saved them.
 */
public final class PlainVcpu extends VirtualCpu {
  /** CR8 in the VMCB. */
  private static final long TASK_PRIORITY = 15;

  /** The VMCB's save area while its fields are read or written. */
  private final transient byte[] area = new byte[Page.SIZE - Vmcb.SAVE_AREA];

  private final Runnable writer = this::write;

  public PlainVcpu(Cpu cpu, PhysicalMemory memory, boolean sev) {
    super(cpu, memory);
    cpu.sevStatus = sev ? 1 : 0;
  }

  /** Sets the registers to start with, at launch and at SIPI. */
  public void launch(LaunchState state) {
    SaveArea.load(cpu, state.page);
    SaveArea.loadProtected(cpu, state.page);
    cpu.nmiBlocked = false;
    vmcb().set(Vmcb.INTERRUPT_SHADOW, 0);
    vmcb().set(Vmcb.EVENTINJ, 0);
    vmcb().set(Vmcb.EXITINTINFO, 0);
    leave();
    settle();
  }

  /** RESET: no event waits, and registers are those to start with. */
  public void reset(LaunchState state) {
    vmcb().set(Vmcb.EVENTINJ, 0);
    vmcb().set(Vmcb.EXITINTINFO, 0);
    vmcb().set(Vmcb.INTERRUPT_SHADOW, 0);
    vmcb().set(Vmcb.V_INTR, vmcb().get(Vmcb.V_INTR) & ~TASK_PRIORITY);
    cpu.nmiBlocked = false;
    launch(state);
    cpu.flushTlb(true);
  }

  /** RESET: the guest's time-stamp counter is 0 now. */
  public void restartTimeStampCounter() {
    vmcb().set(Vmcb.TSC_OFFSET, -now());
  }

  @Override
  int enter() {
    if (!eventLegal(vmcb().get(Vmcb.EVENTINJ), false)) {
      return ExitCode.INVALID;
    }
    Page p = vmcb().page;
    if (p.takeBack()) {
      // Nobody has looked since the exit but by the ways below, which ask the processor.
      cpu.modeChanged();
      return ENTERED;
    }
    p.copyTo(Vmcb.SAVE_AREA, area, 0, area.length);
    if (SaveArea.illegal(area)) {
      return ExitCode.INVALID;
    }
    SaveArea.load(cpu, area);
    return ENTERED;
  }

  /** The area is part of the VMCB, which is the host's. */
  @Override
  void use(boolean on) {}

  @Override
  void staleArea(Map<Integer, Integer> to) {
    to.put(vmcb().page.frame, Vmcb.SAVE_AREA);
  }

  /** The save area is written when somebody looks at more of it than hosts mostly do. */
  @Override
  void leave() {
    vmcb().page.promise(writer);
  }

  @Override
  void storeMore(byte[] d) {
    // There are no features.
  }

  @Override
  void tell(int code) {
    // The host finds everything in its own memory.
  }

  @Override
  boolean holds() {
    return vmcb().page.isPromised();
  }

  @Override
  void settle() {
    vmcb().page.keepPromise();
  }

  private void write() {
    Page p = vmcb().page;
    p.copyTo(Vmcb.SAVE_AREA, area, 0, area.length);
    SaveArea.store(cpu, area);
    p.copyFrom(Vmcb.SAVE_AREA, area, 0, area.length);
  }

  @Override
  void state(byte[] to) {
    if (inside()) {
      // The processor has it all, and the digest takes it from there.
      return;
    }
    // What the host has changed since the exit is in the save area alone, and what the processor
    // still has depends on whether somebody had looked before.
    settle();
    vmcb().page.copyTo(Vmcb.SAVE_AREA, to, 0, SaveArea.PLAIN_SIZE);
    SaveArea.storeProtected(cpu, to);
    SaveArea.putGeneral(to, 0, saved(VmsaField.RAX));
    SaveArea.putGeneral(to, 4, saved(VmsaField.RSP));
  }

  private long saved(VmsaField field) {
    return vmcb().saved(field);
  }

  /** {@return whether a register is the processor's own now, not one of the save area} */
  private boolean isOwn(int gpr) {
    return gpr != 0 && gpr != 4 || holds();
  }

  /** {@return a general register, 0 RAX .. 15 R15} */
  public long gpr(int i) {
    return isOwn(i) ? cpu.r[i] : saved(i == 0 ? VmsaField.RAX : VmsaField.RSP);
  }

  /** Sets a general register. */
  public void setGpr(int i, long v) {
    if (isOwn(i)) {
      cpu.r[i] = v;
    } else {
      vmcb().save(i == 0 ? VmsaField.RAX : VmsaField.RSP, v);
    }
  }

  /** Sets AL, AX or EAX: 8 and 16 bits merge, 32 bits clear the upper half. */
  public void setRaxPart(int bytes, int v) {
    long keep = bytes == 4 ? 0 : -1L << 8 * bytes;
    setGpr(0, gpr(0) & keep | v & 0xFFFF_FFFFL);
  }

  /** {@return RIP} */
  public long rip() {
    return holds() ? cpu.rip : saved(VmsaField.RIP);
  }

  /**
   * Moves RIP past the instruction that exited, to the next RIP that the processor saved. The
   * instruction counts as executed.
   *
   * @return RFLAGS.TF: a processor would raise #DB now, which is the host's to inject
   */
  public boolean skip() {
    boolean own = holds();
    long next = vmcb().get(Vmcb.NRIP);
    if (own) {
      cpu.rip = next;
    } else {
      vmcb().save(VmsaField.RIP, next);
    }
    cpu.icount++;
    cpu.skipped((int) vmcb().get(Vmcb.EXITCODE) == ExitCode.CPUID);
    vmcb().set(Vmcb.INTERRUPT_SHADOW, 0);
    if (own) {
      cpu.eflags &= ~CpuState.RF;
      return (cpu.eflags & CpuState.TF) != 0;
    }
    long flags = saved(VmsaField.RFLAGS) & ~CpuState.RF;
    vmcb().save(VmsaField.RFLAGS, flags);
    return (flags & CpuState.TF) != 0;
  }

  /** Says in DR6 that the #DB to come is that of a single step: BS is set, B3 to B0 are clear. */
  public void reportStep() {
    long dr6 = saved(VmsaField.DR6) & ~DR6_BREAKPOINTS | DR6_BS;
    vmcb().save(VmsaField.DR6, dr6);
  }

  /** {@return RFLAGS.IF} */
  public boolean interruptsEnabled() {
    return ((holds() ? cpu.eflags : saved(VmsaField.RFLAGS)) & CpuState.IF) != 0;
  }

  /** {@return whether NMIs are blocked until IRET} */
  public boolean nmiBlocked() {
    return cpu.nmiBlocked;
  }

  /** {@return the privilege level} */
  public int cpl() {
    return holds() ? cpu.cpl : vmcb().page.get8(Vmcb.SAVE_AREA + VmsaField.CPL.offset) & 3;
  }

  /** {@return TSC_AUX} */
  public long tscAux() {
    return cpu.tscAux;
  }

  /** {@return XCR0} */
  public long xcr0() {
    return cpu.xcr0;
  }

  /** {@return XSS} */
  public long xss() {
    return cpu.xss;
  }

  /** {@return whether it executes 64-bit code} */
  public boolean wide() {
    return cpu.mode64();
  }

  /** Sets XCR0, for a host that intercepts XSETBV. */
  public void setXcr0(long v) {
    cpu.xcr0 = v;
  }

  /** {@return CR4} */
  public long cr4() {
    return holds() ? cpu.cr4 : saved(VmsaField.CR4);
  }

  private static final long DR6_BREAKPOINTS = 15;
  private static final long DR6_BS = 0x4000;

  /** Delivers an event whose task switch was intercepted. */
  private boolean deliverByTaskGate(long event) {
    int intercepts = cpu.intercepts.vector3;
    cpu.intercepts.vector3 &= ~ExitCode.interceptBit(ExitCode.TASK_SWITCH);
    boolean done = cpu.inject(event);
    cpu.intercepts.vector3 = intercepts;
    vmcb().set(Vmcb.EXITINTINFO, 0);
    leave();
    return done;
  }

  /**
   * Executes the instruction at RIP with MMIO and ports answered by the host: what an instruction
   * emulator does. Its faults are delivered to the guest.
   *
   * @return false if the instruction cannot be emulated: it cannot be fetched, or exits itself
   */
  public boolean emulate(ExternalBus bus) {
    enter();
    long lost = vmcb().get(Vmcb.EXITINTINFO);
    if ((int) vmcb().get(Vmcb.EXITCODE) == ExitCode.TASK_SWITCH && (lost & 1L << 31) != 0) {
      return deliverByTaskGate(lost);
    }
    boolean done = cpu.emulateOne(bus);
    // A debug exception behind it may have been lost to an exit.
    vmcb().set(Vmcb.EXITINTINFO, cpu.exitIntInfo);
    done |= cpu.exitIntInfo != 0;
    leave();
    vmcb().set(Vmcb.INTERRUPT_SHADOW, cpu.interruptShadow ? 1 : 0);
    vmcb().set(Vmcb.V_INTR, vmcb().get(Vmcb.V_INTR) & ~15L | cpu.cr8);
    return done;
  }
}
