package dev.vesper.machine.cpu;

import dev.vesper.machine.memory.PhysicalMemory;

/** Segment registers, descriptors and the stack (AMD APM volume 2, chapter 4). */
public abstract class Segmentation extends Mmu {
  protected Segmentation(PhysicalMemory memory, NestedMap nested) {
    super(memory, nested);
  }

  /** Loading a null selector clears base, limit and attributes (CPUID Fn8000_0021_EAX[6]). */
  protected boolean nullClearsBase;

  /** Must follow every load of CS. */
  protected final void codeSegmentChanged() {
    modeChanged();
  }

  // ---- addresses

  /** Kinds of segment handling that an operand needs; decided when code is decoded. */
  public static final int SEG_NONE = 0;

  /** 64-bit FS or GS: the base is added. */
  public static final int SEG_BASE = 1;

  /** Legacy segment with limit and type checks. */
  public static final int SEG_CHECK = 2;

  /**
   * {@return the linear address of an operand}
   *
   * @param kind {@link #SEG_BASE} or {@link #SEG_CHECK}
   */
  public final long linear(int kind, int seg, long offset, int bytes, boolean write) {
    if (kind == SEG_BASE) {
      return offset + segBase[seg];
    }
    return checked(seg, offset, bytes, write);
  }

  /** {@return the linear address after limit and type checks of a legacy segment} */
  public final long checked(int seg, long offset, int bytes, boolean write) {
    int a = segAttr[seg];
    int vector = seg == SS ? 12 : 13;
    if ((a & 0x80) == 0) {
      fault(vector, 0);
    }
    boolean code = (a & 8) != 0;
    if (protectedMode() && !v86() && (write ? code || (a & 2) == 0 : code && (a & 2) == 0)) {
      gp(0);
    }
    long limit = segLimit[seg];
    long last = offset + bytes - 1;
    boolean ok;
    if (!code && (a & 4) != 0) {
      long top = (a & 0x400) != 0 ? 0xFFFF_FFFFL : 0xFFFF;
      ok = offset > limit && last <= top;
    } else {
      ok = last <= limit;
    }
    if (!ok) {
      fault(vector, 0);
    }
    return segBase[seg] + offset & 0xFFFF_FFFFL;
  }

  // ---- stack

  /** {@return the mask that RSP wraps with} */
  public final long stackMask() {
    return mode64() ? -1L : (segAttr[SS] & 0x400) != 0 ? 0xFFFF_FFFFL : 0xFFFFL;
  }

  private long stackLinear(long sp, int bytes, boolean write) {
    if (mode64()) {
      if (!canonical(sp) || !canonical(sp + bytes - 1)) {
        fault(12, 0);
      }
      return sp;
    }
    return checked(SS, sp, bytes, write);
  }

  /** Moves RSP inside its width. */
  public final void setSp(long sp) {
    long m = stackMask();
    r[4] = m == -1L ? sp : m == 0xFFFF_FFFFL ? sp & m : r[4] & ~m | sp & m;
  }

  /** Pushes 2, 4 or 8 bytes. */
  public final void push(int bytes, long v) {
    long sp = r[4] - bytes & stackMask();
    wr(stackLinear(sp, bytes, true), bytes, v);
    setSp(sp);
  }

  /** Pops 2, 4 or 8 bytes. */
  public final long pop(int bytes) {
    long v = peekStack(0, bytes);
    setSp(r[4] + bytes & stackMask());
    return v;
  }

  /** {@return bytes of the stack at a distance from RSP, which does not move} */
  public final long peekStack(long distance, int bytes) {
    long sp = r[4] + distance & stackMask();
    return rd(stackLinear(sp, bytes, false), bytes);
  }

  /**
   * Stores values below RSP, the first one highest, without moving it. Nothing is stored if a part
   * cannot be.
   */
  public final void pokeAll(int bytes, long... values) {
    probeAll(bytes, values.length);
    for (int i = 1; i <= values.length; i++) {
      pokeStack(-(long) i * bytes, bytes, values[i - 1]);
    }
  }

  private void probeAll(int bytes, int values) {
    for (int i = 1; i <= values; i++) {
      probeStack(-(long) i * bytes, bytes, true);
    }
  }

  /** Raises the fault that an access at a distance from RSP would raise. */
  public final void probeStack(long distance, int bytes, boolean write) {
    long la = stackLinear(r[4] + distance & stackMask(), bytes, write);
    if (write) {
      probeWrite(la, bytes);
    } else {
      probeRead(la, bytes);
    }
  }

  /** Stores below or above RSP without moving it. */
  public final void pokeStack(long distance, int bytes, long v) {
    long sp = r[4] + distance & stackMask();
    wr(stackLinear(sp, bytes, true), bytes, v);
  }

  // ---- descriptors

  private static long base(long d) {
    return d >>> 16 & 0xFF_FFFF | d >>> 32 & 0xFF00_0000L;
  }

  private static long limit(long d) {
    long l = d & 0xFFFF | d >>> 32 & 0xF_0000;
    return (d & 1L << 55) != 0 ? l << 12 | 0xFFF : l;
  }

  private static int attr(long d) {
    return (int) (d >>> 40) & 0xFF | (int) (d >>> 44) & 0xF00;
  }

  /** {@return whether a segment register holds a segment: its hidden part says so} */
  protected final boolean usable(int seg) {
    return (segAttr[seg] & 0x80) != 0;
  }

  private long descriptorAddress(int sel, int bytes, int vector) {
    boolean ldt = (sel & 4) != 0;
    long b = ldt ? segBase[LDTR] : gdtBase;
    long l = ldt ? segLimit[LDTR] : gdtLimit & 0xFFFFL;
    if (ldt && !usable(LDTR) || (sel & ~7) + bytes - 1 > l) {
      fault(vector, sel & 0xFFFC);
    }
    return b + (sel & ~7);
  }

  /** {@return a descriptor's eight bytes; out of the table raises the vector with the selector} */
  public final long readDescriptor(int sel, int vector) {
    return sysRead(descriptorAddress(sel, 8, vector), 8);
  }

  private static boolean accessed(long d) {
    return (d >>> 40 & 1) != 0;
  }

  /** Sets the accessed bits of a code segment and of its stack, both or neither. */
  private void setAccessed(int sel, long d, int stackSel, long stack) {
    if (!accessed(d) && !accessed(stack)) {
      probeSystemWrite(descriptorAddress(stackSel, 8, 13) + 5);
    }
    setAccessed(sel, d);
    setAccessed(stackSel, stack);
  }

  private void setAccessed(int sel, long d) {
    if (!accessed(d)) {
      long a = descriptorAddress(sel, 8, 13) + 5;
      sysWrite(a, 1, d >>> 40 & 0xFF | 1);
    }
  }

  private void install(int seg, int sel, long d) {
    selector[seg] = sel;
    segBase[seg] = base(d);
    segLimit[seg] = limit(d);
    segAttr[seg] = attr(d);
  }

  private void setRealMode(int seg, int sel) {
    selector[seg] = sel;
    segBase[seg] = (long) sel << 4;
    if (v86()) {
      segLimit[seg] = 0xFFFF;
      segAttr[seg] = 0xF3;
    } else if (seg == CS) {
      segAttr[seg] = 0x93;
    }
  }

  /** Keeps interrupts and debug exceptions off for an instruction after MOV SS and POP SS. */
  public final void loadedStackSegment(int seg) {
    if (seg == SS) {
      interruptShadow = true;
      stackSwitchShadow = true;
    }
  }

  /** Loads ES, SS, DS, FS or GS as MOV and POP do. */
  public final void loadSegment(int seg, int sel) {
    if (!protectedMode() || v86()) {
      setRealMode(seg, sel);
      modeChanged();
      return;
    }
    if (seg == SS) {
      loadStackSegment(sel, cpl, 13, sel & 0xFFFC);
      modeChanged();
      return;
    }
    if ((sel & ~3) == 0) {
      selector[seg] = sel;
      // A null selector keeps the base in 64-bit mode on AMD processors; the segment becomes
      // unusable elsewhere.
      segAttr[seg] &= ~0x80;
      if (!mode64()) {
        segAttr[seg] = 0;
        segBase[seg] = 0;
        segLimit[seg] = 0;
      } else if (nullClearsBase || seg != FS && seg != GS) {
        segBase[seg] = 0;
      }
      modeChanged();
      return;
    }
    long d = readDescriptor(sel, 13);
    int a = attr(d);
    boolean code = (a & 8) != 0;
    boolean conforming = code && (a & 4) != 0;
    int dpl = a >> 5 & 3;
    if ((a & 0x10) == 0 || code && (a & 2) == 0 || !conforming && dpl < Math.max(cpl, sel & 3)) {
      gp(sel & 0xFFFC);
    }
    if ((a & 0x80) == 0) {
      fault(11, sel & 0xFFFC);
    }
    setAccessed(sel, d);
    install(seg, sel, d | 1L << 40);
    modeChanged();
  }

  /**
   * Loads SS for a privilege level.
   *
   * @param vector exception for a bad selector: 13, or 10 for stacks from a TSS
   * @param error its error code
   */
  public final void loadStackSegment(int sel, int level, int vector, int error) {
    if ((sel & ~3) == 0) {
      if (mode64() && level != 3 && (sel & 3) == level) {
        selector[SS] = sel;
        segAttr[SS] = segAttr[SS] & ~0x60 | level << 5;
        return;
      }
      fault(vector, vector == 13 ? 0 : error);
    }
    long d = readDescriptor(sel, vector);
    int a = attr(d);
    if ((a & 0x10) == 0
        || (a & 8) != 0
        || (a & 2) == 0
        || (sel & 3) != level
        || (a >> 5 & 3) != level) {
      fault(vector, error);
    }
    if ((a & 0x80) == 0) {
      fault(12, error);
    }
    setAccessed(sel, d);
    install(SS, sel, d | 1L << 40);
  }

  /** Sets CS from a checked descriptor; RPL becomes the privilege level. */
  protected final void installCode(int sel, long d, int level) {
    setAccessed(sel, d);
    installAccessedCode(sel, d, level);
  }

  private void installAccessedCode(int sel, long d, int level) {
    install(CS, sel & ~3 | level, d | 1L << 40);
    cpl = level;
  }

  /** Sets SS to the null selector that inter-privilege transfers use in long mode. */
  protected final void nullStackSegment(int level) {
    selector[SS] = level;
    segBase[SS] = 0;
    segLimit[SS] = 0xFFFF_FFFFL;
    segAttr[SS] = 0x93 | level << 5 | 0xC00;
  }

  // ---- far transfers

  private void checkTarget(long ip, int sel, int attr) {
    if (longMode() && (attr & 0x200) != 0) {
      if (!canonical(ip)) {
        gp(0);
      }
    } else if (ip > limitOf(sel)) {
      gp(0);
    }
  }

  private long limitOf(int sel) {
    return limit(readDescriptor(sel, 13));
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
      checkTarget(ip, sel, a);
      installCode(sel, d, cpl);
      rip = ip;
      codeSegmentChanged();
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
        checkTarget(g.ip, g.sel, ca);
        installCode(g.sel, cd, cpl);
        rip = g.ip;
        codeSegmentChanged();
      }
      case 1, 9, 5 -> {
        if (longMode()) {
          gp(sel & 0xFFFC);
        }
        if ((a & 0x80) == 0) {
          fault(11, sel & 0xFFFC);
        }
        taskSwitch(sel, d, TASK_JMP, next, -1);
      }
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
      case 1, 9, 5 -> {
        if (longMode()) {
          gp(sel & 0xFFFC);
        }
        if ((a & 0x80) == 0) {
          fault(11, sel & 0xFFFC);
        }
        taskSwitch(sel, d, TASK_CALL, next, -1);
      }
      default -> gp(sel & 0xFFFC);
    }
  }

  /** Pushes the return address with the old stack's width and goes to a checked code segment. */
  private void callSameLevel(int sel, long d, long ip, int size, long next) {
    checkTarget(ip, sel, attr(d));
    probeAll(size, 2);
    setAccessed(sel, d);
    pokeAll(size, selector[CS], next);
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
    checkTarget(g.ip, g.sel, ca);
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
    long ip = peekStack(0, osize);
    int sel = (int) peekStack(osize, osize) & 0xFFFF;
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
    if ((sel & ~3) == 0) {
      gp(0);
    }
    long d = readDescriptor(sel, 13);
    int a = attr(d);
    int rpl = sel & 3;
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
    boolean outer = rpl > cpl || iret && mode64();
    long newSp = 0;
    int newSs = 0;
    if (outer) {
      newSp = peekStack(used + extra, osize);
      newSs = (int) peekStack(used + extra + osize, osize) & 0xFFFF;
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

  // ---- system segments and queries

  /** {@return bits 63:32 of the base in a checked LDT or TSS descriptor} */
  private long systemBase(int sel, long d) {
    if (!longMode()) {
      return 0;
    }
    long high = sysRead(descriptorAddress(sel, 16, 13) + 8, 8);
    if ((high >>> 40 & 31) != 0 || !canonicalBase(high << 32 | base(d))) {
      gp(sel & 0xFFFC);
    }
    return high << 32;
  }

  /** LLDT. */
  public final void loadLdt(int sel) {
    if ((sel & ~3) == 0) {
      selector[LDTR] = sel;
      segAttr[LDTR] = 0;
      return;
    }
    if ((sel & 4) != 0) {
      gp(sel & 0xFFFC);
    }
    long d = readDescriptor(sel, 13);
    if ((attr(d) & 0x1F) != 2) {
      gp(sel & 0xFFFC);
    }
    if ((attr(d) & 0x80) == 0) {
      fault(11, sel & 0xFFFC);
    }
    long high = systemBase(sel, d);
    install(LDTR, sel, d);
    segBase[LDTR] |= high;
  }

  /** Sets TR from a TSS descriptor, which counts as busy. */
  protected final void installTaskRegister(int sel, long d) {
    install(TR, sel, d | 1L << 41);
  }

  /** Sets LDTR from a checked descriptor of legacy mode. */
  protected final void installLdt(int sel, long d) {
    install(LDTR, sel, d);
  }

  /** Enters virtual-8086 mode with ES, CS, SS, DS, FS and GS; RFLAGS.VM is set. */
  protected final void loadVirtualSegments(int[] selectors) {
    cpl = 3;
    for (int s = ES; s <= GS; s++) {
      setRealMode(s, selectors[s]);
    }
  }

  /** LTR. */
  public final void loadTaskRegister(int sel) {
    if ((sel & ~3) == 0) {
      gp(0);
    }
    if ((sel & 4) != 0) {
      gp(sel & 0xFFFC);
    }
    long d = readDescriptor(sel, 13);
    int type = attr(d) & 0x1F;
    if (type != 9 && !(type == 1 && !longMode())) {
      gp(sel & 0xFFFC);
    }
    if ((attr(d) & 0x80) == 0) {
      fault(11, sel & 0xFFFC);
    }
    long high = systemBase(sel, d);
    sysWrite(descriptorAddress(sel, 8, 13) + 5, 1, d >>> 40 & 0xFF | 2);
    install(TR, sel, d | 1L << 41);
    segBase[TR] |= high;
  }

  /** {@return a descriptor that LAR, LSL, VERR and VERW may look at, or 0} */
  public final long queryDescriptor(int sel) {
    if ((sel & ~3) == 0) {
      return 0;
    }
    boolean ldt = (sel & 4) != 0;
    long l = ldt ? segLimit[LDTR] : gdtLimit & 0xFFFFL;
    if (ldt && !usable(LDTR) || (sel & ~7) + 7 > l) {
      return 0;
    }
    return sysRead((ldt ? segBase[LDTR] : gdtBase) + (sel & ~7), 8);
  }

  /** {@return attributes of a descriptor in VMCB form} */
  public static int attributesOf(long descriptor) {
    return attr(descriptor);
  }

  /** {@return the limit of a descriptor in bytes} */
  public static long limitOfDescriptor(long descriptor) {
    return limit(descriptor);
  }

  /** {@return the base of a descriptor} */
  public static long baseOfDescriptor(long descriptor) {
    return base(descriptor);
  }
}
