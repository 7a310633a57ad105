package dev.vesper.machine.cpu;

import dev.vesper.machine.memory.PhysicalMemory;

/**
 * Far JMP, CALL and RET, gates, and the stacks of the privilege levels that are entered and left
 * (AMD APM volume 2, 4.9 to 4.12). Registers and memory change when nothing can fail any more.
 */
public abstract class FarTransfers extends Segmentation {
  /** What the last IRET of 64-bit code at CPL 0 to itself has found. */
  final SameLevelReturn sameLevelReturn = new SameLevelReturn(nativeState());

  protected FarTransfers(PhysicalMemory memory, NestedMap nested) {
    super(memory, nested);
  }

  private void checkTarget(long ip, long descriptor) {
    if (!reaches(ip, descriptor)) {
      gp(0);
    }
  }

  /** {@return whether a code segment has an instruction pointer} */
  private boolean reaches(long ip, long descriptor) {
    return longMode() && (attr(descriptor) & 0x200) != 0 ? canonical(ip) : ip <= limit(descriptor);
  }

  private void checkReal(long ip) {
    if (ip > segLimit[CS]) {
      gp(0);
    }
  }

  private void jumpReal(int sel, long ip) {
    checkReal(ip);
    setRealMode(CS, sel);
    rip = ip;
    codeSegmentChanged();
  }

  /** Checks a code descriptor for a direct far JMP or CALL; returns the attributes. */
  private int checkCode(int sel, long d) {
    int a = attr(d);
    int dpl = a >> 5 & 3;
    boolean conforming = (a & 4) != 0;
    if ((a & 0x18) != 0x18 || (conforming ? dpl > cpl : dpl != cpl || (sel & 3) > cpl)) {
      gp(sel & 0xFFFC);
    }
    if ((a & 0x80) == 0) {
      fault(11, sel & 0xFFFC);
    }
    if (longMode() && (a & 0x600) == 0x600) {
      gp(sel & 0xFFFC);
    }
    return a;
  }

  /**
   * A hardware task switch.
   *
   * @param sel of the TSS or task gate
   * @param descriptor of it; not looked at for {@link #TASK_IRET}
   * @param next RIP that the old task goes on at
   * @param error error code that the new task finds on its stack, or -1
   */
  protected abstract void taskSwitch(int sel, long descriptor, int cause, long next, long error);

  /** Cause of a task switch. */
  protected static final int TASK_JMP = 0;

  protected static final int TASK_CALL = 1;
  protected static final int TASK_IRET = 2;
  protected static final int TASK_GATE = 3;

  /** INT n through a task gate. */
  protected static final int TASK_SOFTWARE = 4;

  /** JMP or CALL to a TSS or a task gate, which long mode does not have. */
  private void farTaskSwitch(int sel, long d, int cause, long next) {
    if (longMode()) {
      gp(sel & 0xFFFC);
    }
    if ((attr(d) & 0x80) == 0) {
      fault(11, sel & 0xFFFC);
    }
    taskSwitch(sel, d, cause, next, -1);
  }

  /** Goes on at the same level in a checked code segment that has the target. */
  private void jumpTo(int sel, long d, long ip) {
    checkTarget(ip, d);
    installCode(sel, d, cpl);
    rip = ip;
    codeSegmentChanged();
  }

  /**
   * JMP to a far pointer. {@code rip} is still that of the instruction.
   *
   * @param next RIP after the instruction
   */
  public final void jumpFar(int sel, long ip, int osize, long next) {
    if (!protectedMode() || v86()) {
      jumpReal(sel, osize == 2 ? ip & 0xFFFF : ip);
      return;
    }
    if ((sel & ~3) == 0) {
      gp(0);
    }
    long d = readDescriptor(sel, 13);
    int a = attr(d);
    if ((a & 0x10) != 0) {
      checkCode(sel, d);
      jumpTo(sel, d, ip);
      return;
    }
    int type = a & 15;
    int dpl = a >> 5 & 3;
    if (dpl < cpl || dpl < (sel & 3)) {
      gp(sel & 0xFFFC);
    }
    switch (type) {
      case 4, 12 -> {
        if (type == 4 && longMode()) {
          gp(sel & 0xFFFC);
        }
        Gate g = gate(sel, d);
        long cd = readDescriptor(g.sel, 13);
        int ca = attr(cd);
        int cdpl = ca >> 5 & 3;
        if ((g.sel & ~3) == 0) {
          gp(0);
        }
        if ((ca & 0x18) != 0x18
            || ((ca & 4) != 0 ? cdpl > cpl : cdpl != cpl)
            || longMode() && (ca & 0x600) != 0x200) {
          gp(g.sel & 0xFFFC);
        }
        if ((ca & 0x80) == 0) {
          fault(11, g.sel & 0xFFFC);
        }
        jumpTo(g.sel, cd, g.ip);
      }
      case 1, 9, 5 -> farTaskSwitch(sel, d, TASK_JMP, next);
      default -> gp(sel & 0xFFFC);
    }
  }

  /** 31 parameters of a call gate, SS, RSP, CS and RIP. */
  private static final int MOST_PUSHES = 35;

  private record Gate(int sel, long ip, int count) {}

  private Gate gate(int sel, long d) {
    if ((d >>> 47 & 1) == 0) {
      fault(11, sel & 0xFFFC);
    }
    long ip = d & 0xFFFF | d >>> 32 & 0xFFFF_0000L;
    if ((d >>> 40 & 15) == 4) {
      ip &= 0xFFFF;
    }
    if (longMode()) {
      long high = sysRead(descriptorAddress(sel, 16, 13) + 8, 8);
      if ((high >>> 40 & 31) != 0) {
        gp(sel & 0xFFFC);
      }
      ip |= high << 32;
    }
    return new Gate((int) (d >>> 16) & 0xFFFF, ip, (int) (d >>> 32) & 31);
  }

  /**
   * CALL to a far pointer.
   *
   * @param next RIP after the instruction
   */
  public final void callFar(int sel, long ip, int osize, long next) {
    if (!protectedMode() || v86()) {
      long target = osize == 2 ? ip & 0xFFFF : ip;
      checkReal(target);
      pokeAll(osize, selector[CS], next);
      jumpReal(sel, target);
      setSp(r[4] - 2L * osize);
      return;
    }
    if ((sel & ~3) == 0) {
      gp(0);
    }
    long d = readDescriptor(sel, 13);
    int a = attr(d);
    if ((a & 0x10) != 0) {
      checkCode(sel, d);
      callSameLevel(sel, d, ip, osize, next);
      return;
    }
    int type = a & 15;
    int dpl = a >> 5 & 3;
    if (dpl < cpl || dpl < (sel & 3)) {
      gp(sel & 0xFFFC);
    }
    switch (type) {
      case 4, 12 -> callGate(sel, d, type, next);
      case 1, 9, 5 -> farTaskSwitch(sel, d, TASK_CALL, next);
      default -> gp(sel & 0xFFFC);
    }
  }

  /** Pushes the return address with the old stack's width and goes to a checked code segment. */
  private void callSameLevel(int sel, long d, long ip, int size, long next) {
    probeAll(size, 2);
    boolean reached = reaches(ip, d);
    if (reached) {
      setAccessed(sel, d);
    }
    // AMD processors have stored the return address when they find that the target is not there.
    pokeAll(size, selector[CS], next);
    if (!reached) {
      gp(0);
    }
    setSp(r[4] - 2L * size);
    installAccessedCode(sel, d, cpl);
    rip = ip;
    codeSegmentChanged();
  }

  /** Pushes the frame of an interrupt that stays at its level and takes CS over. */
  protected final void interruptSameLevel(int sel, long d, int size, long[] frame) {
    probeAll(size, frame.length);
    setAccessed(sel, d);
    pokeAll(size, frame);
    setSp(r[4] - (long) frame.length * size);
    installAccessedCode(sel, d, cpl);
  }

  private void callGate(int sel, long d, int type, long next) {
    if (type == 4 && longMode()) {
      gp(sel & 0xFFFC);
    }
    Gate g = gate(sel, d);
    if ((g.sel & ~3) == 0) {
      gp(0);
    }
    long cd = readDescriptor(g.sel, 13);
    int ca = attr(cd);
    int cdpl = ca >> 5 & 3;
    if ((ca & 0x18) != 0x18 || cdpl > cpl || longMode() && (ca & 0x600) != 0x200) {
      gp(g.sel & 0xFFFC);
    }
    if ((ca & 0x80) == 0) {
      fault(11, g.sel & 0xFFFC);
    }
    int size = longMode() ? 8 : type == 4 ? 2 : 4;
    boolean inner = (ca & 4) == 0 && cdpl < cpl;
    if (!inner && !longMode()) {
      callSameLevel(g.sel, cd, g.ip, size, next);
      return;
    }
    checkTarget(g.ip, cd);
    if (!inner) {
      // The gate leads to 64-bit code, which has a 64-bit stack.
      StackFrame f = new StackFrame(r[4], cpl);
      f.push(selector[CS]);
      f.push(next);
      f.enter(g.sel, cd);
    } else {
      long[] parameters = new long[longMode() ? 0 : g.count];
      for (int i = 0; i < parameters.length; i++) {
        parameters[i] = peekStack((long) i * size, size);
      }
      StackFrame f = new StackFrame(cdpl, size);
      f.push(selector[SS]);
      f.push(r[4]);
      for (int i = parameters.length - 1; i >= 0; i--) {
        f.push(parameters[i]);
      }
      f.push(selector[CS]);
      f.push(next);
      f.enter(g.sel, cd);
    }
    rip = g.ip;
    codeSegmentChanged();
  }

  /**
   * A frame for the stack of a privilege level that is entered. Nothing changes before {@link
   * #enter}, and nothing there unless all of it can be stored.
   */
  protected final class StackFrame {
    private final int level;
    private final int bytes;
    private final int newSs;
    private final long ssDescriptor;
    private final boolean wide;
    private long sp;
    private final boolean lm;

    /** What is pushed, and where it goes: SS, RSP, RFLAGS, CS, RIP, error, segments, parameters. */
    private final long[] values = new long[MOST_PUSHES];

    private final long[] places = new long[MOST_PUSHES];
    private int pushes;

    /** Takes SS:RSP from the TSS. */
    StackFrame(int level, int bytes) {
      this.level = level;
      this.bytes = bytes;
      lm = longMode();
      if (lm) {
        sp = tssStack(4 + level * 8);
        newSs = level;
        ssDescriptor = 0;
        wide = true;
        return;
      }
      boolean tss32 = (segAttr[TR] & 8) != 0;
      int at = tss32 ? 4 + level * 8 : 2 + level * 4;
      if (at + (tss32 ? 5 : 3) > segLimit[TR]) {
        fault(10, selector[TR] & 0xFFFC);
      }
      sp = sysRead(segBase[TR] + at, tss32 ? 4 : 2);
      newSs = (int) sysRead(segBase[TR] + at + (tss32 ? 4 : 2), 2);
      if ((newSs & ~3) == 0) {
        fault(10, newSs & 0xFFFC);
      }
      long d = readDescriptor(newSs, 10);
      int a = attr(d);
      if ((newSs & 3) != level || (a >> 5 & 3) != level || (a & 0x1A) != 0x12) {
        fault(10, newSs & 0xFFFC);
      }
      if ((a & 0x80) == 0) {
        fault(12, newSs & 0xFFFC);
      }
      ssDescriptor = d;
      wide = (a & 0x400) != 0;
    }

    /** Takes a given RSP in long mode. */
    StackFrame(long rsp, int level) {
      this.level = level;
      bytes = 8;
      newSs = level;
      ssDescriptor = 0;
      wide = true;
      lm = true;
      sp = rsp;
    }

    void push(long v) {
      values[pushes] = v;
      if (lm) {
        sp -= 8;
        if (!canonical(sp) || !canonical(sp + 7)) {
          fault(12, 0);
        }
        places[pushes++] = sp;
        return;
      }
      sp = sp - bytes & (wide ? 0xFFFF_FFFFL : 0xFFFF);
      int a = attr(ssDescriptor);
      long l = limit(ssDescriptor);
      boolean down = (a & 4) != 0;
      boolean ok = down ? sp > l : sp + bytes - 1 <= l;
      if (!ok) {
        fault(12, newSs & 0xFFFC);
      }
      places[pushes++] = base(ssDescriptor) + sp & 0xFFFF_FFFFL;
    }

    /** Stores the frame, takes over the stack and CS from a checked descriptor. */
    void enter(int codeSelector, long codeDescriptor) {
      for (int i = 0; i < pushes; i++) {
        probeFrame(places[i], bytes, level);
      }
      if (lm) {
        setAccessed(codeSelector, codeDescriptor);
      } else {
        setAccessed(codeSelector, codeDescriptor, newSs, ssDescriptor);
      }
      for (int i = 0; i < pushes; i++) {
        writeFrame(places[i], bytes, values[i], level);
      }
      if (!lm) {
        install(SS, newSs, ssDescriptor | 1L << 40);
        r[4] = wide ? sp : r[4] & ~0xFFFFL | sp;
      } else {
        if (level != cpl) {
          nullStackSegment(level);
        }
        r[4] = sp;
      }
      installAccessedCode(codeSelector, codeDescriptor, level);
    }
  }

  /** {@return a stack pointer from the 64-bit TSS} */
  protected final long tssStack(int offset) {
    if (offset + 7 > segLimit[TR]) {
      fault(10, selector[TR] & 0xFFFC);
    }
    long sp = sysRead(segBase[TR] + offset, 8);
    if (!canonical(sp)) {
      fault(12, 0);
    }
    return sp;
  }

  /**
   * RETF.
   *
   * @param extra bytes of parameters to release
   */
  public final void returnFar(int osize, int extra) {
    int sel = (int) peekStack(osize, osize) & 0xFFFF;
    long ip = peekStack(0, osize);
    if (!protectedMode() || v86()) {
      long sp = r[4] + 2L * osize + extra;
      jumpReal(sel, ip);
      setSp(sp);
      return;
    }
    returnTo(sel, ip, osize, 2L * osize, extra, false, 0);
  }

  /**
   * The common end of RETF and IRET in protected mode.
   *
   * @param used bytes of the frame before SP and SS
   * @param iret whether flags are restored too
   */
  protected final void returnTo(
      int sel, long ip, int osize, long used, int extra, boolean iret, int newFlags) {
    int rpl = sel & 3;
    int before = cpl;
    boolean outer = rpl > cpl || iret && mode64();
    long newSp = 0;
    int newSs = 0;
    if (outer || rpl < cpl) {
      // AMD processors read the outer stack, SS first, before they look at the selector of CS.
      newSs = (int) peekStack(used + extra + osize, osize) & 0xFFFF;
      newSp = peekStack(used + extra, osize);
    }
    if ((sel & ~3) == 0) {
      gp(0);
    }
    long d = readDescriptor(sel, 13);
    int a = attr(d);
    int dpl = a >> 5 & 3;
    if (rpl < cpl
        || (a & 0x18) != 0x18
        || ((a & 4) != 0 ? dpl > rpl : dpl != rpl)
        || longMode() && (a & 0x600) == 0x600) {
      gp(sel & 0xFFFC);
    }
    if ((a & 0x80) == 0) {
      fault(11, sel & 0xFFFC);
    }
    boolean to64 = longMode() && (a & 0x200) != 0;
    if (to64 ? !canonical(ip) : ip > limit(d)) {
      gp(0);
    }
    long stack = outer ? returnStack(newSs, rpl, to64) : 0;
    if (stack == 0) {
      setAccessed(sel, d);
    } else {
      setAccessed(sel, d, newSs, stack);
    }
    if (!outer) {
      setSp(r[4] + used + extra);
      installAccessedCode(sel, d, cpl);
    } else {
      if (stack == 0) {
        nullStackSegment(rpl);
        selector[SS] = newSs;
      } else {
        install(SS, newSs, stack | 1L << 40);
      }
      installAccessedCode(sel, d, rpl);
      setSp(newSp);
      setSp(r[4] + extra);
      dropPrivilegedSegments();
      if (iret && to64 && before == 0 && ((sel | newSs) & 7) == 0) {
        sameLevelReturn.note(this, d, stack);
      }
    }
    rip = to64 ? ip : ip & 0xFFFF_FFFFL;
    codeSegmentChanged();
  }

  /** {@return the checked descriptor of the stack that is returned to, or 0 for a null one} */
  private long returnStack(int sel, int rpl, boolean to64) {
    if ((sel & ~3) == 0) {
      if (!to64 || rpl == 3 || (sel & 3) != rpl) {
        gp(sel & 0xFFFC);
      }
      return 0;
    }
    long d = readDescriptor(sel, 13);
    int a = attr(d);
    if ((sel & 3) != rpl || (a >> 5 & 3) != rpl || (a & 0x1A) != 0x12) {
      gp(sel & 0xFFFC);
    }
    if ((a & 0x80) == 0) {
      fault(12, sel & 0xFFFC);
    }
    return d;
  }

  /**
   * Takes the segments away that the outer level may not have. Their selectors become null, and so
   * do those that were null with an RPL; bases stay, as 64-bit code can see of FS and GS.
   */
  private void dropPrivilegedSegments() {
    for (int s : new int[] {ES, DS, FS, GS}) {
      int a = segAttr[s];
      boolean conforming = (a & 0x1C) == 0x1C;
      if (!usable(s) || !conforming && (a >> 5 & 3) < cpl) {
        selector[s] = 0;
        segAttr[s] = a & ~0x80;
      } else if ((selector[s] & ~3) == 0) {
        selector[s] = 0;
      }
    }
  }
}
