package dev.vesper.machine.cpu;

import dev.vesper.machine.memory.PhysicalMemory;

/**
 * Hardware task switches of legacy mode: far transfers to a TSS or a task gate, task gates in the
 * IDT, IRET with NT set (AMD APM volume 2, chapter 12).
 */
public abstract class TaskSwitching extends FarTransfers {
  private static final int SMALL_TSS_LIMIT = 0x2B;
  private static final int TSS_LIMIT = 0x67;
  private static final int BUSY = 2;

  /** Offsets in a 32-bit TSS. */
  private static final int CR3_32 = 0x1C;

  private static final int EIP_32 = 0x20;
  private static final int LDT_32 = 0x60;
  private static final int TRAP_32 = 0x64;

  /** Offsets in a 16-bit TSS. */
  private static final int IP_16 = 0x0E;

  private static final int LDT_16 = 0x2A;

  /** Order of the segment registers in a TSS: the first four, or all. */
  private static final int[] SEGMENTS = {ES, CS, SS, DS, FS, GS};

  /**
   * A task switch has taken place: RIP is the new task's, whatever the instruction still raises.
   */
  protected boolean switched;

  /** A single-step trap follows the instruction under way, unless it clears this. */
  protected boolean singleStep;

  protected TaskSwitching(PhysicalMemory memory, NestedMap nested) {
    super(memory, nested);
  }

  /** Exits if the host intercepts task switches. */
  protected abstract void taskSwitchIntercepted(int selector, int cause, long error);

  /** What a TSS holds of a task. */
  private record Task(
      long cr3, long ip, int flags, long[] registers, int[] selectors, int ldt, boolean trap) {}

  private static boolean wide(int type) {
    return (type & 8) != 0;
  }

  private static int registerOffset(boolean wide, int i) {
    return wide ? 0x28 + 4 * i : 0x12 + 2 * i;
  }

  private static int selectorOffset(boolean wide, int i) {
    return wide ? 0x48 + 4 * i : 0x22 + 2 * i;
  }

  private Task read(long base, boolean wide) {
    int n = wide ? 4 : 2;
    long[] registers = new long[8];
    int[] selectors = new int[6];
    for (int i = 0; i < 8; i++) {
      registers[i] = sysRead(base + registerOffset(wide, i), n);
    }
    for (int i = 0; i < (wide ? 6 : 4); i++) {
      selectors[i] = (int) sysRead(base + selectorOffset(wide, i), 2);
    }
    return new Task(
        wide ? sysRead(base + CR3_32, 4) : cr3,
        sysRead(base + (wide ? EIP_32 : IP_16), n),
        (int) sysRead(base + (wide ? EIP_32 + 4 : IP_16 + 2), n),
        registers,
        selectors,
        (int) sysRead(base + (wide ? LDT_32 : LDT_16), 2),
        wide && (sysRead(base + TRAP_32, 2) & 1) != 0);
  }

  private void save(long ip, int flags) {
    boolean wide = wide(segAttr[TR]);
    long base = segBase[TR];
    int n = wide ? 4 : 2;
    // Nothing is stored if a part cannot be.
    probeSystemWrite(base + (wide ? EIP_32 : IP_16));
    probeSystemWrite(base + selectorOffset(wide, wide ? 5 : 3));
    sysWrite(base + (wide ? EIP_32 : IP_16), n, ip);
    sysWrite(base + (wide ? EIP_32 + 4 : IP_16 + 2), n, flags);
    for (int i = 0; i < 8; i++) {
      sysWrite(base + registerOffset(wide, i), n, r[i]);
    }
    for (int i = 0; i < (wide ? 6 : 4); i++) {
      sysWrite(base + selectorOffset(wide, i), 2, selector[SEGMENTS[i]]);
    }
  }

  private void setBusy(int sel, boolean busy) {
    long at = gdtBase + (sel & ~7) + 5;
    int type = (int) sysRead(at, 1);
    sysWrite(at, 1, busy ? type | BUSY : type & ~BUSY);
  }

  @Override
  protected final void taskSwitch(int sel, long descriptor, int cause, long next, long error) {
    taskSwitchIntercepted(sel, cause, error);
    int ext = cause == TASK_GATE ? 1 : 0;
    int target = sel;
    boolean byGate = cause != TASK_IRET && (attributesOf(descriptor) & 0x1F) == 5;
    if (byGate) {
      if ((descriptor >>> 47 & 1) == 0) {
        fault(11, sel & 0xFFFC | ext);
      }
      target = (int) (descriptor >>> 16) & 0xFFFF;
    }
    boolean back = cause == TASK_IRET;
    int wrong = back ? 10 : 13;
    if ((target & 4) != 0 || (target & ~7) + 7 > (gdtLimit & 0xFFFF) || (target & ~3) == 0) {
      fault(wrong, target & 0xFFFC | ext);
    }
    long d = sysRead(gdtBase + (target & ~7), 8);
    int type = attributesOf(d) & 0x1F;
    boolean suits = back ? type == 3 || type == 11 : type == 1 || type == 9;
    if (!suits) {
      fault(wrong, target & 0xFFFC | ext);
    }
    if ((attributesOf(d) & 0x80) == 0) {
      fault(11, target & 0xFFFC | ext);
    }
    boolean wide = wide(type);
    if (limitOfDescriptor(d) < (wide ? TSS_LIMIT : SMALL_TSS_LIMIT)) {
      fault(10, target & 0xFFFC | ext);
    }
    Task task = read(baseOfDescriptor(d), wide);
    int old = selector[TR];
    boolean nested = cause == TASK_CALL || cause == TASK_GATE || cause == TASK_SOFTWARE;
    probeSystemWrite(gdtBase + (old & ~7) + 5);
    probeSystemWrite(gdtBase + (target & ~7) + 5);
    if (nested) {
      probeSystemWrite(baseOfDescriptor(d));
    }
    save(next, back ? flags() & ~NT : flags());
    if (!nested) {
      setBusy(old, false);
    }
    if (!back) {
      setBusy(target, true);
    }
    if (nested) {
      sysWrite(baseOfDescriptor(d), 2, old);
    }
    if (back) {
      nmiBlocked = false;
    }
    load(target, d, task, nested);
    if (error >= 0) {
      push(wide ? 4 : 2, error);
    }
    if (rip > segLimit[CS]) {
      gp(ext);
    }
    if (task.trap) {
      dr[6] |= 0x8000;
      fault(1, -1);
    }
    switched = false;
  }

  /** Takes the new task's state over. From here on faults are the new task's. */
  private void load(int target, long d, Task task, boolean nested) {
    switched = true;
    // Traps that are due belong to the task that is left.
    singleStep = false;
    breakpoints.met = 0;
    installTaskRegister(target, d);
    cr0 |= CR0_TS;
    // Breakpoints that are local to a task end with it.
    dr[7] &= ~0x155L;
    modeChanged();
    if (wide(attributesOf(d)) && (cr0 & CR0_PG) != 0) {
      cr3 = task.cr3;
      flushTlb(false);
    }
    boolean wide = wide(attributesOf(d));
    int flags = task.flags & 0x3F_FFFF | (nested ? NT : 0);
    setFlags(wide ? flags : flags & 0xFFFF);
    for (int i = 0; i < 8; i++) {
      r[i] = wide ? task.registers[i] : task.registers[i] | 0xFFFF_0000L;
    }
    rip = task.ip;
    for (int i = 0; i < 6; i++) {
      int s = SEGMENTS[i];
      selector[s] = task.selectors[i];
      segAttr[s] = 0;
    }
    loadTaskLdt(task.ldt);
    if (v86()) {
      loadVirtualSegments(task.selectors);
    } else {
      loadTaskCode(task.selectors[1]);
      loadStackSegment(task.selectors[2], cpl, 10, task.selectors[2] & 0xFFFC);
      for (int i : new int[] {0, 3, 4, 5}) {
        loadTaskData(SEGMENTS[i], task.selectors[i]);
      }
    }
    codeSegmentChanged();
  }

  private void loadTaskLdt(int sel) {
    selector[LDTR] = sel;
    segAttr[LDTR] = 0;
    if ((sel & ~3) == 0) {
      return;
    }
    if ((sel & 4) != 0 || (sel & ~7) + 7 > (gdtLimit & 0xFFFF)) {
      fault(10, sel & 0xFFFC);
    }
    long d = sysRead(gdtBase + (sel & ~7), 8);
    if ((attributesOf(d) & 0x9F) != 0x82) {
      fault(10, sel & 0xFFFC);
    }
    installLdt(sel, d);
  }

  private void loadTaskCode(int sel) {
    cpl = sel & 3;
    if ((sel & ~3) == 0) {
      fault(10, sel & 0xFFFC);
    }
    long d = readDescriptor(sel, 10);
    int a = attributesOf(d);
    int dpl = a >> 5 & 3;
    boolean conforming = (a & 4) != 0;
    if ((a & 0x18) != 0x18 || (conforming ? dpl > cpl : dpl != cpl)) {
      fault(10, sel & 0xFFFC);
    }
    if ((a & 0x80) == 0) {
      fault(11, sel & 0xFFFC);
    }
    installCode(sel, d, cpl);
  }

  private void loadTaskData(int seg, int sel) {
    if ((sel & ~3) != 0) {
      long d = readDescriptor(sel, 10);
      int a = attributesOf(d);
      boolean code = (a & 8) != 0;
      boolean conforming = code && (a & 4) != 0;
      if ((a & 0x10) == 0
          || code && (a & 2) == 0
          || !conforming && (a >> 5 & 3) < Math.max(cpl, sel & 3)) {
        fault(10, sel & 0xFFFC);
      }
    }
    loadSegment(seg, sel);
  }
}
