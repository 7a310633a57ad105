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

  final void probeAll(int bytes, int values) {
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

  static long base(long d) {
    return d >>> 16 & 0xFF_FFFF | d >>> 32 & 0xFF00_0000L;
  }

  static long limit(long d) {
    long l = d & 0xFFFF | d >>> 32 & 0xF_0000;
    return (d & 1L << 55) != 0 ? l << 12 | 0xFFF : l;
  }

  static int attr(long d) {
    return (int) (d >>> 40) & 0xFF | (int) (d >>> 44) & 0xF00;
  }

  /** {@return whether a segment register holds a segment: its hidden part says so} */
  protected final boolean usable(int seg) {
    return (segAttr[seg] & 0x80) != 0;
  }

  final long descriptorAddress(int sel, int bytes, int vector) {
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
  final void setAccessed(int sel, long d, int stackSel, long stack) {
    if (!accessed(d) && !accessed(stack)) {
      probeSystemWrite(descriptorAddress(stackSel, 8, 13) + 5);
    }
    setAccessed(sel, d);
    setAccessed(stackSel, stack);
  }

  final void setAccessed(int sel, long d) {
    if (!accessed(d)) {
      long a = descriptorAddress(sel, 8, 13) + 5;
      sysWrite(a, 1, d >>> 40 & 0xFF | 1);
    }
  }

  final void install(int seg, int sel, long d) {
    selector[seg] = sel;
    segBase[seg] = base(d);
    segLimit[seg] = limit(d);
    segAttr[seg] = attr(d);
  }

  final void setRealMode(int seg, int sel) {
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

  final void installAccessedCode(int sel, long d, int level) {
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
