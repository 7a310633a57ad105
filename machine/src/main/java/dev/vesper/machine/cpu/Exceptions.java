package dev.vesper.machine.cpu;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.memory.PhysicalMemory;

/**
 * Delivery of exceptions and interrupts, IRET, and the fast system calls (AMD APM volume 2, chapter
 * 8; priorities of nested events after table 8-9).
 */
public abstract class Exceptions extends TaskSwitching {
  /** Kinds of events, numbered as EVENTINJ numbers its types. */
  public static final int INTERRUPT = 0;

  public static final int NMI = 2;
  public static final int EXCEPTION = 3;
  public static final int SOFTWARE = 4;

  /** The vector that a host may inject with RestrictedInjection. */
  public static final int HV = 28;

  public static final int VC = 29;

  /** The vector of #DB. */
  static final int DEBUG = 1;

  /** General detect, which #DB turns off. */
  static final long DR7_GD = 0x2000;

  /** Single steps go from branch to branch, until #DB. */
  static final long DEBUGCTL_BTF = 2;

  public final Intercepts intercepts = new Intercepts();

  protected Exceptions(PhysicalMemory memory, NestedMap nested) {
    super(memory, nested);
  }

  private static boolean contributory(int v) {
    return v == 0 || v >= 10 && v <= 13 || v == VC;
  }

  private static boolean trap(int v) {
    return v == 3 || v == 4;
  }

  /** Raises #VMEXIT or, where the exit is not automatic, #VC. RIP stays at the instruction. */
  public abstract Signal exit(int code, long info1, long info2);

  /** Tells observers that #VC is about to be delivered. */
  protected abstract void vcRaised(int errorCode);

  /**
   * Delivers an exception of an instruction; RIP is the one to save.
   *
   * @param asFault sets RF in the saved flags
   */
  public final void raise(int firstVector, long firstError, boolean asFault) {
    int v = firstVector;
    long e = firstError;
    boolean f = asFault;
    raised(-1, v);
    if (v == VC) {
      vcRaised((int) e);
    }
    // A chain of benign exceptions cannot be endless on a real processor; a long one is a shutdown
    // here.
    for (int chain = 0; ; chain++) {
      try {
        if (v < 32 && (intercepts.exceptions >>> v & 1) != 0) {
          exit(ExitCode.EXCP0 + v, Math.max(e, 0), v == 14 ? cr2 : 0);
        }
        deliver(v, e, EXCEPTION, f);
        return;
      } catch (Signal s) {
        if (s == Signal.EXIT) {
          throw s;
        }
        if (s == Signal.SELF_MODIFYING) {
          continue;
        }
        switched = false;
        int second = faultVector;
        raised(v, second);
        if (v == 8 || chain > 16) {
          shutdown();
        }
        boolean doubles =
            contributory(v) && contributory(second)
                || v == 14 && (contributory(second) || second == 14);
        v = doubles ? 8 : second;
        e = doubles ? 0 : faultError;
        f = !trap(v);
        if (v == VC) {
          vcRaised((int) e);
        }
      }
    }
  }

  private void raised(int before, int vector) {
    if (observer != null) {
      observer.onException(self(), before, vector);
    }
  }

  private void shutdown() {
    exit(ExitCode.SHUTDOWN, 0, 0);
  }

  /**
   * Delivers an event through the IDT or the real-mode vector table.
   *
   * @param error error code, or -1
   * @param type {@link #INTERRUPT}, {@link #NMI}, {@link #EXCEPTION} or {@link #SOFTWARE}
   * @param asFault sets RF in the saved flags
   */
  public final void deliver(int vector, long error, int type, boolean asFault) {
    deliver(vector, error, type, asFault, rip);
  }

  /**
   * INT n, INT3 and INTO; RIP is that behind the instruction.
   *
   * @param from RIP of the instruction
   */
  public final void deliverSoftware(int vector, long from) {
    deliver(vector, -1, SOFTWARE, false, from);
  }

  private void deliver(int vector, long error, int type, boolean asFault, long from) {
    if (observer != null) {
      observer.onDelivery(self(), vector, error, type, from);
    }
    int saved = flags() | (asFault ? RF : 0);
    if (type == EXCEPTION && trap(vector)) {
      saved &= ~RF;
    }
    if (!protectedMode()) {
      deliverReal(vector, saved);
    } else if (longMode()) {
      deliverLong(vector, error, type, saved);
    } else {
      deliverLegacy(vector, error, type, saved);
    }
    if (type == NMI) {
      nmiBlocked = true;
    }
    interruptShadow = false;
    stackSwitchShadow = false;
    singleStep = false;
    if (type == EXCEPTION) {
      // An instruction that ends in an exception takes nothing that a load of SS held along; one
      // that ends in the handler of a software interrupt does.
      breakpoints.met = 0;
    }
    if (type == EXCEPTION && vector == DEBUG) {
      dr[7] &= ~DR7_GD;
      debugCtl &= ~DEBUGCTL_BTF;
    }
    codeSegmentChanged();
    delivered(type);
  }

  /** An event has been delivered. */
  protected abstract void delivered(int type);

  private void deliverReal(int vector, int saved) {
    if (vector * 4 + 3 > idtLimit) {
      fault(vector == 8 ? 8 : 13, vector == 8 ? 0 : -1);
    }
    long entry = sysRead(idtBase + vector * 4L, 4);
    pokeAll(2, saved, selector[CS], rip);
    setSp(r[4] - 6);
    eflags &= ~(IF | TF | AC | RF);
    selector[CS] = (int) (entry >>> 16);
    segBase[CS] = entry >>> 16 << 4;
    rip = entry & 0xFFFF;
  }

  private Signal badGate(int vector, int type, int faultNumber) {
    return fault(faultNumber, vector * 8L + 2 + (type == SOFTWARE ? 0 : 1));
  }

  private void deliverLong(int vector, long error, int type, int saved) {
    if (vector * 16 + 15 > idtLimit) {
      badGate(vector, type, 13);
    }
    long low = sysRead(idtBase + vector * 16L, 8);
    long high = sysRead(idtBase + vector * 16L + 8, 8);
    int kind = (int) (low >>> 40) & 0x1F;
    if (kind != 14 && kind != 15) {
      badGate(vector, type, 13);
    }
    if (type == SOFTWARE && (low >>> 45 & 3) < cpl) {
      badGate(vector, type, 13);
    }
    if ((low >>> 47 & 1) == 0) {
      badGate(vector, type, 11);
    }
    int ext = type == SOFTWARE ? 0 : 1;
    int sel = (int) (low >>> 16) & 0xFFFF;
    long target = low & 0xFFFF | low >>> 32 & 0xFFFF_0000L | high << 32;
    if ((sel & ~3) == 0) {
      gp(ext);
    }
    long d = readDescriptorExt(sel, ext);
    int a = attributesOf(d);
    int dpl = a >> 5 & 3;
    if ((a & 0x18) != 0x18 || dpl > cpl || (a & 0x600) != 0x200) {
      gp(sel & 0xFFFC | ext);
    }
    if ((a & 0x80) == 0) {
      fault(11, sel & 0xFFFC | ext);
    }
    int level = (a & 4) != 0 ? cpl : dpl;
    int ist = (int) (low >>> 32) & 7;
    long sp = ist != 0 ? tssStack(0x1C + ist * 8) : level < cpl ? tssStack(4 + level * 8) : r[4];
    if (!canonical(target)) {
      gp(ext);
    }
    StackFrame f = new StackFrame(sp & ~15L, level);
    f.push(selector[SS]);
    f.push(r[4]);
    f.push(saved & 0xFFFF_FFFFL);
    f.push(selector[CS]);
    f.push(rip);
    if (error >= 0) {
      f.push(error);
    }
    f.enter(sel, d);
    rip = target;
    eflags &= ~(TF | NT | RF | VM | (kind == 14 ? IF : 0));
  }

  private long readDescriptorExt(int sel, int ext) {
    boolean ldt = (sel & 4) != 0;
    long l = ldt ? segLimit[LDTR] : gdtLimit & 0xFFFFL;
    if (ldt && !usable(LDTR) || (sel & ~7) + 7 > l) {
      gp(sel & 0xFFFC | ext);
    }
    return sysRead((ldt ? segBase[LDTR] : gdtBase) + (sel & ~7), 8);
  }

  private void deliverLegacy(int vector, long error, int type, int saved) {
    if (vector * 8 + 7 > idtLimit) {
      badGate(vector, type, 13);
    }
    long g = sysRead(idtBase + vector * 8L, 8);
    int kind = (int) (g >>> 40) & 0x1F;
    if (kind != 5 && kind != 6 && kind != 7 && kind != 14 && kind != 15) {
      badGate(vector, type, 13);
    }
    if (type == SOFTWARE && (g >>> 45 & 3) < cpl) {
      badGate(vector, type, 13);
    }
    if ((g >>> 47 & 1) == 0) {
      badGate(vector, type, 11);
    }
    int sel = (int) (g >>> 16) & 0xFFFF;
    int ext = type == SOFTWARE ? 0 : 1;
    if (kind == 5) {
      taskSwitch(sel, g, type == SOFTWARE ? TASK_SOFTWARE : TASK_GATE, rip, error);
      return;
    }
    if ((sel & ~3) == 0) {
      gp(ext);
    }
    long d = readDescriptorExt(sel, ext);
    int a = attributesOf(d);
    int dpl = a >> 5 & 3;
    if ((a & 0x18) != 0x18 || dpl > cpl) {
      gp(sel & 0xFFFC | ext);
    }
    if ((a & 0x80) == 0) {
      fault(11, sel & 0xFFFC | ext);
    }
    boolean wide = kind >= 14;
    long target = g & 0xFFFF | (wide ? g >>> 32 & 0xFFFF_0000L : 0);
    int size = wide ? 4 : 2;
    boolean inner = (a & 4) == 0 && dpl < cpl;
    if (target > limitOfDescriptor(d)) {
      gp(ext);
    }
    if (v86()) {
      if (!inner || dpl != 0) {
        gp(sel & 0xFFFC | ext);
      }
      deliverFromVirtual(sel, d, size, error, saved);
    } else if (inner) {
      int oldSs = selector[SS];
      long oldSp = r[4];
      StackFrame f = new StackFrame(dpl, size);
      f.push(oldSs);
      f.push(oldSp);
      f.push(saved);
      f.push(selector[CS]);
      f.push(rip);
      if (error >= 0) {
        f.push(error);
      }
      f.enter(sel, d);
    } else {
      long[] frame =
          error >= 0
              ? new long[] {saved, selector[CS], rip, error}
              : new long[] {saved, selector[CS], rip};
      interruptSameLevel(sel, d, size, frame);
    }
    rip = target;
    eflags &= ~(TF | NT | RF | VM | (kind == 6 || kind == 14 ? IF : 0));
  }

  /** Flags that POPF and IRET may change at the current privilege. */
  public final int writableFlags(int osize) {
    int mask = ARITH | TF | DF | NT | (osize == 2 ? 0 : AC | ID);
    if (cpl == 0) {
      mask |= IOPL;
    }
    if (cpl <= (eflags >> 12 & 3)) {
      mask |= IF;
    }
    return mask;
  }

  /**
   * IRET. RIP is that of the instruction.
   *
   * @param next RIP after it, for a task that is left
   */
  public final void interruptReturn(int osize, long next) {
    returnFromInterrupt(osize, next);
    nmiBlocked = false;
  }

  private void returnFromInterrupt(int osize, long next) {
    if (!protectedMode() || v86()) {
      returnReal(osize);
      return;
    }
    if ((eflags & NT) != 0) {
      if (longMode()) {
        gp(0);
      }
      taskSwitch((int) sysRead(segBase[TR], 2), 0, TASK_IRET, next, -1);
      return;
    }
    int f = (int) peekStack(2L * osize, osize);
    int sel = (int) peekStack(osize, osize) & 0xFFFF;
    long ip = peekStack(0, osize);
    if ((f & VM) != 0 && cpl == 0 && !longMode() && osize == 4) {
      enterVirtual(ip, sel, f);
      return;
    }
    int mask = writableFlags(osize) | (osize == 2 ? 0 : RF);
    if (cpl == 0 && osize != 2) {
      mask |= VIF | VIP;
    }
    returnTo(sel, ip, osize, 3L * osize, 0, true, f);
    setFlags(flags() & ~mask | f & mask);
    modeChanged();
  }

  // ---- virtual-8086 mode (AMD APM volume 2, 8.10 and 10.2)

  /**
   * {@return whether IOPL keeps IOPL-sensitive instructions of virtual-8086 mode from the guest}
   */
  private boolean sensitive() {
    return v86() && (eflags & IOPL) != IOPL;
  }

  /**
   * Checks that PUSHF, POPF, IRET or INT may run in virtual-8086 mode without IOPL 3.
   *
   * @return whether VIF takes the place of IF
   */
  public final boolean virtualInterruptFlag(int osize) {
    if (!sensitive()) {
      return false;
    }
    if ((cr4 & CR4_VME) == 0 || osize != 2) {
      gp(0);
    }
    return true;
  }

  /** {@return the flags that PUSHF and INT store when VIF takes the place of IF} */
  public final int virtualFlags() {
    return flags() & ~IF | IOPL | ((eflags & VIF) != 0 ? IF : 0);
  }

  /** Takes flags from the stack when VIF takes the place of IF; 16 bits of them. */
  public final void loadVirtualFlags(int f) {
    if ((f & TF) != 0 || (f & IF) != 0 && (eflags & VIP) != 0) {
      gp(0);
    }
    int mask = ARITH | DF | NT;
    int vif = (f & IF) != 0 ? VIF : 0;
    setFlags(flags() & ~(mask | VIF | TF) | f & mask | vif);
  }

  /** CLI and STI. */
  public final void setInterruptFlag(boolean on) {
    boolean allowed = !protectedMode() || cpl <= (eflags >> 12 & 3);
    if (allowed) {
      if (on && (eflags & IF) == 0) {
        interruptShadow = true;
      }
      eflags = on ? eflags | IF : eflags & ~IF;
      return;
    }
    boolean virtual = v86() ? (cr4 & CR4_VME) != 0 : cpl == 3 && (cr4 & CR4_PVI) != 0;
    if (!virtual || on && (eflags & VIP) != 0) {
      gp(0);
    }
    eflags = on ? eflags | VIF : eflags & ~VIF;
  }

  /** IRET of real and virtual-8086 mode. */
  private void returnReal(int osize) {
    boolean vif = virtualInterruptFlag(osize);
    long ip = peekStack(0, osize);
    int sel = (int) peekStack(osize, osize) & 0xFFFF;
    int f = (int) peekStack(2L * osize, osize);
    if (ip > segLimit[CS]) {
      gp(0);
    }
    long sp = r[4] + 3L * osize;
    if (vif) {
      loadVirtualFlags(f);
    } else {
      int mask = ARITH | TF | IF | DF | NT | (osize == 4 ? AC | ID | RF : 0);
      mask |= v86() ? 0 : IOPL;
      setFlags(flags() & ~mask | f & mask);
    }
    setSp(sp);
    selector[CS] = sel;
    segBase[CS] = (long) sel << 4;
    rip = ip;
    codeSegmentChanged();
  }

  /** IRET from CPL 0 to virtual-8086 mode. */
  private void enterVirtual(long ip, int cs, int f) {
    long sp = peekStack(12, 4);
    int[] selectors = {
      (int) peekStack(20, 4) & 0xFFFF,
      cs,
      (int) peekStack(16, 4) & 0xFFFF,
      (int) peekStack(24, 4) & 0xFFFF,
      (int) peekStack(28, 4) & 0xFFFF,
      (int) peekStack(32, 4) & 0xFFFF
    };
    setFlags(f);
    loadVirtualSegments(selectors);
    r[4] = sp;
    rip = ip & 0xFFFF;
    codeSegmentChanged();
  }

  /**
   * INT n of virtual-8086 mode with CR4.VME: the interrupt redirection bitmap, 32 bytes below the
   * I/O map of the TSS, sends a vector to the real-mode table.
   *
   * @return whether it did
   */
  public final boolean redirectedInterrupt(int vector, long next) {
    if (!v86()) {
      return false;
    }
    if ((cr4 & CR4_VME) != 0) {
      if ((segAttr[TR] & 8) == 0 || segLimit[TR] < 0x67) {
        gp(0);
      }
      long at = (sysRead(segBase[TR] + 0x66, 2) & 0xFFFF) - 32 + (vector >> 3);
      if (at > segLimit[TR]) {
        gp(0);
      }
      if ((sysRead(segBase[TR] + at, 1) >>> (vector & 7) & 1) == 0) {
        boolean vif = sensitive();
        long entry = rd(vector * 4L, 4);
        pokeAll(2, vif ? virtualFlags() : flags(), selector[CS], next);
        setSp(r[4] - 6);
        eflags &= ~(TF | (vif ? VIF : IF));
        singleStep = false;
        selector[CS] = (int) (entry >>> 16);
        segBase[CS] = entry >>> 16 << 4;
        rip = entry & 0xFFFF;
        codeSegmentChanged();
        return true;
      }
    }
    if (sensitive()) {
      gp(0);
    }
    return false;
  }

  /** Leaves virtual-8086 mode for a handler at CPL 0. */
  private void deliverFromVirtual(int sel, long d, int size, long error, int saved) {
    StackFrame f = new StackFrame(0, size);
    for (int s : new int[] {GS, FS, DS, ES, SS}) {
      f.push(selector[s]);
    }
    f.push(r[4]);
    f.push(saved);
    f.push(selector[CS]);
    f.push(rip);
    if (error >= 0) {
      f.push(error);
    }
    f.enter(sel, d);
    eflags &= ~VM;
    for (int s : new int[] {ES, DS, FS, GS}) {
      selector[s] = 0;
      segAttr[s] = 0;
      segBase[s] = 0;
      segLimit[s] = 0;
    }
  }

  // ---- SYSCALL, SYSRET, SYSENTER, SYSEXIT (AMD APM volume 3)
  // For SYSCALL and SYSRET the TF that they leave behind decides about a single-step trap, for
  // every
  // other instruction the one that it begins with.

  private void flatSegment(int seg, int sel, int attr) {
    selector[seg] = sel;
    segBase[seg] = 0;
    segLimit[seg] = 0xFFFF_FFFFL;
    segAttr[seg] = attr;
  }

  /** SYSCALL; {@code next} is the return address. */
  public final void syscall(long next) {
    if ((efer & EFER_SCE) == 0 || !protectedMode()) {
      ud();
    }
    int sel = (int) (star >>> 32) & 0xFFFC;
    if (longMode()) {
      long target = mode64() ? lstar : cstar;
      r[1] = next;
      r[11] = flags() & ~RF & 0xFFFF_FFFFL;
      rip = target;
      setFlags(flags() & ~(int) sfmask & ~RF);
      flatSegment(CS, sel, 0xA9B);
    } else {
      r[1] = next & 0xFFFF_FFFFL;
      rip = star & 0xFFFF_FFFFL;
      eflags &= ~(IF | VM | RF);
      flatSegment(CS, sel, 0xC9B);
    }
    flatSegment(SS, sel + 8, 0xC93);
    cpl = 0;
    codeSegmentChanged();
    singleStep = (eflags & TF) != 0;
  }

  /** SYSRET. */
  public final void sysret(int osize) {
    if ((efer & EFER_SCE) == 0 || !protectedMode()) {
      ud();
    }
    if (cpl != 0) {
      gp(0);
    }
    int sel = (int) (star >>> 48) & 0xFFFC;
    if (longMode()) {
      // The flags come back whole, but RF and VM.
      int f = (int) r[11];
      if (osize == 8) {
        // An address that is not canonical faults at the fetch, in user mode.
        flatSegment(CS, sel + 16 | 3, 0xAFB);
        rip = r[1];
      } else {
        flatSegment(CS, sel | 3, 0xCFB);
        rip = r[1] & 0xFFFF_FFFFL;
      }
      setFlags(f & ~(RF | VM));
    } else {
      flatSegment(CS, sel | 3, 0xCFB);
      rip = r[1] & 0xFFFF_FFFFL;
      eflags |= IF;
    }
    // AMD processors load the selector of SS only; base, limit and attributes stay those of a flat
    // user segment.
    selector[SS] = sel + 8 | 3;
    segAttr[SS] = 0xCF3;
    segBase[SS] = 0;
    segLimit[SS] = 0xFFFF_FFFFL;
    cpl = 3;
    codeSegmentChanged();
    singleStep = false;
    if ((eflags & TF) != 0) {
      throw Signal.STEPPED;
    }
  }

  /** SYSENTER: not in long mode on AMD processors. */
  public final void sysenter() {
    if (longMode()) {
      ud();
    }
    if (!protectedMode() || (sysenterCs & 0xFFFC) == 0) {
      gp(0);
    }
    int sel = (int) sysenterCs & 0xFFFC;
    eflags &= ~(IF | VM | RF);
    flatSegment(CS, sel, 0xC9B);
    flatSegment(SS, sel + 8, 0xC93);
    cpl = 0;
    rip = sysenterEip & 0xFFFF_FFFFL;
    r[4] = sysenterEsp & 0xFFFF_FFFFL;
    codeSegmentChanged();
  }

  /** SYSEXIT: not in long mode on AMD processors. */
  public final void sysexit() {
    if (longMode()) {
      ud();
    }
    if (!protectedMode() || (sysenterCs & 0xFFFC) == 0 || cpl != 0) {
      gp(0);
    }
    int sel = (int) sysenterCs & 0xFFFC;
    flatSegment(CS, sel + 16 | 3, 0xCFB);
    flatSegment(SS, sel + 24 | 3, 0xCF3);
    cpl = 3;
    rip = r[2] & 0xFFFF_FFFFL;
    r[4] = r[1] & 0xFFFF_FFFFL;
    codeSegmentChanged();
  }
}
