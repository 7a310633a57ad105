package dev.vesper.machine.cpu;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;

/**
 * A processor with memory that can be put back to where it was before an instruction, and of which
 * any one page can be taken away: what the tests need that interrupt an instruction at each of its
 * accesses. Identity mapping, flat segments, an IDT whose gates all lead to {@link #HANDLER}.
 */
final class RestartGuest {
  static final int FRAMES = 21;
  static final int CODE = 0x6100;
  static final int STACK = 0xA000;
  static final int OPERAND = 0xC000;
  static final int SOURCE = 0xE000;
  static final int DESTINATION = 0x10000;
  static final int GDT = 0x11000;
  static final int IDT = 0x12000;
  static final int TSS = 0x13000;
  static final int HANDLER = 0x14000;

  /** Page table that maps everything, the first frame behind the tables. */
  private static final int PAGE_TABLE = 4;

  private static final int FIRST_DATA = 8;

  /** How an access is interrupted. */
  enum Trouble {
    /** The host has taken the page away: #VMEXIT(NPF). */
    EXIT,
    /** The guest has not mapped the page: #PF. */
    FAULT,
    /** The host lets nobody write to the page. */
    ROM,
    /** The guest lets nobody write to the page. */
    READ_ONLY,
    /** Code was decoded from the page: a store starts the instruction again. */
    CODE
  }

  final PhysicalMemory memory = new PhysicalMemory(FRAMES << 12, 0);
  final Cpu cpu;
  private final Set<Integer> asked = new LinkedHashSet<>();
  private int absent = -1;
  private int readOnly = -1;

  /** Most instructions of a run. */
  long length = 1;

  private final byte[][] pages = new byte[FRAMES][];
  private long[][] registers = new long[0][];
  private long start;

  /** What went otherwise than undisturbed, in words. */
  final Set<String> wrong = new TreeSet<>();

  /** How often something was in the way. */
  int troubles;

  /**
   * @param execution see {@link Execution}
   */
  RestartGuest(int execution) {
    CpuFeatures f = CpuFeatures.ALL;
    cpu = new Cpu(memory, this::type, f, new Interpreter(f), 1);
    Execution.choose(cpu, f, execution);
  }

  private int type(long frame) {
    asked.add((int) frame);
    return frame < 0 || frame >= FRAMES || frame == absent
        ? NestedMap.ABSENT
        : frame == readOnly ? NestedMap.ROM : NestedMap.RAM;
  }

  Page page(int frame) {
    return memory.page(frame, Page.SHARED);
  }

  void put(int address, int bytes, long v) {
    for (int i = 0; i < bytes; i++) {
      page(address + i >> 12).put8(address + i & 0xFFF, (int) (v >> 8 * i));
    }
  }

  void segment(int s, int sel, long base, long limit, int attr) {
    cpu.selector[s] = sel;
    cpu.segBase[s] = base;
    cpu.segLimit[s] = limit;
    cpu.segAttr[s] = attr;
  }

  /** Fills memory. */
  void fill(int bits) {
    Random random = new Random(bits);
    for (int f = FIRST_DATA; f < FRAMES; f++) {
      byte[] noise = new byte[Page.SIZE];
      random.nextBytes(noise);
      page(f).copyFrom(0, noise, 0, Page.SIZE);
    }
    tables(bits);
    save();
  }

  /** Sets registers: pointers lie a distance from the boundaries of pages. */
  void prepare(int bits, int distance) {
    Random random = new Random(bits);
    cpu.resetRegisters();
    for (int i = 0; i < 16; i++) {
      cpu.r[i] = random.nextInt(200);
      cpu.xmm[2 * i] = random.nextLong();
      cpu.xmm[2 * i + 1] = random.nextLong();
      cpu.ymmh[2 * i] = random.nextLong();
      cpu.zmmh[4 * i] = random.nextLong();
    }
    for (int i = 0; i < 8; i++) {
      cpu.k[i] = -1;
      cpu.fpMant[i] = random.nextLong() | 1L << 63;
      cpu.fpExp[i] = 0x3FF0 + random.nextInt(32);
    }
    boolean real = bits == 16;
    long base = real ? 0x8000 : 0;
    cpu.r[1] = 3;
    cpu.r[3] = OPERAND - (real ? OPERAND - base : 0) + distance;
    cpu.r[4] = STACK - (real ? STACK - base : 0) + distance;
    cpu.r[5] = cpu.r[4] + 64;
    cpu.r[6] = SOURCE - (real ? SOURCE - base : 0) + distance;
    cpu.r[7] = DESTINATION - (real ? DESTINATION - base : 0) + distance;
    int code = real ? 0x93 : bits == 64 ? 0xA9B : 0xC9B;
    for (int s = CpuState.ES; s <= CpuState.GS; s++) {
      segment(
          s,
          real ? 0 : s == CpuState.CS ? 8 : 16,
          real ? realBase(s) - base : 0,
          real ? 0xFFFF : 0xFFFF_FFFFL,
          s == CpuState.CS ? code : real ? 0x93 : 0xC93);
    }
    segment(CpuState.TR, 0x28, TSS, 0xFFF, 0x8B);
    segment(CpuState.LDTR, 0x38, GDT + 0x800, 0xFF, 0x82);
    cpu.cr0 = real ? 0x10 : 0x8001_0033L;
    cpu.cr3 = bits == 64 ? 0x1000 : 0x5000;
    cpu.cr4 =
        CpuState.CR4_OSFXSR
            | CpuState.CR4_OSXMMEXCPT
            | CpuState.CR4_OSXSAVE
            | CpuState.CR4_FSGSBASE
            | (real ? 0 : CpuState.CR4_PAE);
    cpu.xcr0 = 0xE7;
    cpu.efer = bits == 64 ? 0xD01 : 0x800;
    cpu.gdtBase = GDT;
    cpu.gdtLimit = 0xFFF;
    cpu.idtBase = IDT;
    cpu.idtLimit = 0xFFF;
    cpu.fcw = 0x37F;
    cpu.fvalid = 0xFC;
    cpu.cpl = 0;
    cpu.nmiBlocked = false;
    cpu.interruptShadow = false;
    cpu.stackSwitchShadow = false;
    cpu.rip = real ? CODE - realBase(CpuState.CS) + base : CODE;
    cpu.intercepts.exceptions = -1;
    cpu.intercepts.vector3 = 1 << 24 | 1 << 31;
    cpu.setFlags(CpuState.CF | 2);
  }

  private static long realBase(int segment) {
    return switch (segment) {
      case CpuState.CS -> 0x8000;
      case CpuState.SS -> STACK;
      case CpuState.ES -> DESTINATION;
      default -> OPERAND;
    };
  }

  private void tables(int bits) {
    put(0x1000, 8, 0x2007);
    // The same memory once more above 4 GiB and at the highest addresses.
    put(0x1000 + 8 * 508, 8, 0x2007);
    put(0x2000, 8, 0x3007);
    put(0x2000 + 8 * 4, 8, 0x3007);
    put(0x2000 + 8 * 5, 8, 0x3007);
    put(0x3000, 8, 0x4007);
    put(0x5000, 8, 0x3001);
    for (int f = 0; f < FRAMES; f++) {
      put(PAGE_TABLE * 0x1000 + 8 * f, 8, f << 12 | 7L);
    }
    page(GDT >> 12).fill(0, Page.SIZE, (byte) 0);
    put(GDT + 8, 8, bits == 64 ? 0x00AF_9A00_0000_FFFFL : 0x00CF_9A00_0000_FFFFL);
    put(GDT + 16, 8, 0x00CF_9200_0000_FFFFL);
    boolean wide = bits == 64;
    for (int v = 0; v < 256; v++) {
      if (bits == 16) {
        put(IDT + 4 * v, 4, HANDLER - 0x8000 & 0xFFFF | 0x0800 << 16);
      } else {
        int size = wide ? 16 : 8;
        put(IDT + size * v, 8, HANDLER & 0xFFFF | 8 << 16 | 0xEE00L << 32 | 1L << 48);
        if (wide) {
          put(IDT + size * v + 8, 8, 0);
        }
      }
    }
  }

  /** Keeps memory and registers. */
  void save() {
    for (int f = 0; f < FRAMES; f++) {
      pages[f] = page(f).bytes();
    }
    keep();
  }

  /** Keeps registers. */
  void keep() {
    registers = registers();
  }

  /** Puts back what was kept; nothing is in the TLB afterwards. */
  void restore() {
    for (int f = 0; f < FRAMES; f++) {
      Page now = page(f);
      if (!Arrays.equals(now.bytes(), pages[f])) {
        now.copyFrom(0, pages[f], 0, Page.SIZE);
      }
    }
    restoreRegisters();
    mend();
  }

  /** Executes an instruction, a repeated one to its end. */
  private void execute(boolean repeated) {
    for (int i = 0; i < (repeated ? 32 : 1); i++) {
      cpu.run(cpu.icount + length);
      if (cpu.rip != start) {
        break;
      }
    }
    reachHlt(repeated);
  }

  /**
   * Executes the HLT behind a repeated instruction, if runs are long enough for both and the
   * instruction has taken all of the last one: how many it takes depends on where it was stopped.
   */
  private void reachHlt(boolean repeated) {
    if (repeated && length > 1 && cpu.rip != start && cpu.exitCode == ExitCode.INTR) {
      cpu.run(cpu.icount + 1);
    }
  }

  /**
   * Executes what lies at RIP undisturbed and then with each page that it needs in each trouble.
   *
   * @param repeated the instruction may stop half-way, with its progress in the registers
   * @return whether there was anything to disturb
   */
  boolean disturb(String name, boolean repeated) {
    keep();
    restore();
    asked.clear();
    start = cpu.rip;
    execute(repeated);
    List<Integer> frames = new ArrayList<>(asked);
    frames.removeIf(f -> f < FIRST_DATA || f >= FRAMES);
    long[][] end = registers();
    byte[][] data = data();
    long exit = cpu.exitCode;
    for (int f : frames) {
      for (Trouble t : Trouble.values()) {
        boolean paged = (cpu.cr0 & CpuState.CR0_PG) != 0;
        if (!paged && (t == Trouble.FAULT || t == Trouble.READ_ONLY)) {
          continue;
        }
        restore();
        trouble(t, f);
        cpu.run(cpu.icount + length);
        boolean failed = cpu.exitCode != exit || cpu.rip == start && !repeated;
        troubles += failed ? 1 : 0;
        if (failed && t != Trouble.CODE) {
          if (!repeated && !registersUnchanged()) {
            wrong.add(name + ": " + t + " changes" + difference(kept()));
          }
          if (!repeated && !memoryUnchanged()) {
            wrong.add(name + ": " + t + " has stored");
          }
          mend();
          execute(repeated);
        } else if (repeated && cpu.rip == start) {
          mend();
          execute(true);
        }
        reachHlt(repeated);
        if (!Arrays.deepEquals(end, registers()) || cpu.exitCode != exit) {
          wrong.add(name + ": " + t + " ends otherwise" + difference(end));
        } else if (!Arrays.deepEquals(data, data())) {
          wrong.add(name + ": " + t + " stores otherwise");
        }
      }
    }
    return !frames.isEmpty();
  }

  /** Puts an instruction where the processor starts; what was kept has it too. */
  void code(byte[] bytes) {
    page(CODE >> 12).copyFrom(CODE & 0xFFF, bytes, 0, bytes.length);
    System.arraycopy(bytes, 0, pages[CODE >> 12], CODE & 0xFFF, bytes.length);
    memory.page(CODE >> 12, Page.SHARED).dropCode();
  }

  /** Makes accesses to a page fail. */
  void trouble(Trouble t, int frame) {
    switch (t) {
      case EXIT -> absent = frame;
      case FAULT -> put(PAGE_TABLE * 0x1000 + 8 * frame, 1, 6);
      case ROM -> readOnly = frame;
      case READ_ONLY -> put(PAGE_TABLE * 0x1000 + 8 * frame, 1, 5);
      case CODE -> {
        Page p = memory.page(frame, Page.SHARED);
        p.code = new CodePage(p);
        p.codeLines = -1;
      }
    }
    cpu.flushTlb(true);
  }

  /** Ends all trouble. */
  void mend() {
    absent = -1;
    readOnly = -1;
    for (int f = FIRST_DATA; f < FRAMES; f++) {
      page(PAGE_TABLE).put8(8 * f, page(PAGE_TABLE).get8(8 * f) | 3);
      memory.page(f, Page.SHARED).dropCode();
    }
    cpu.flushTlb(true);
  }

  /** {@return whether memory behind the tables is as it was kept} */
  boolean memoryUnchanged() {
    for (int f = FIRST_DATA; f < FRAMES; f++) {
      if (!Arrays.equals(page(f).bytes(), pages[f])) {
        return false;
      }
    }
    return true;
  }

  /** {@return memory behind the tables} */
  byte[][] data() {
    byte[][] d = new byte[FRAMES - FIRST_DATA][];
    for (int f = FIRST_DATA; f < FRAMES; f++) {
      d[f - FIRST_DATA] = page(f).bytes();
    }
    return d;
  }

  /** {@return whether registers are as they were kept} */
  boolean registersUnchanged() {
    return Arrays.deepEquals(registers, registers());
  }

  private static long[] wide(int[] v) {
    return Arrays.stream(v).asLongStream().toArray();
  }

  /** {@return all that instructions can change, in an order that names it} */
  long[][] registers() {
    Cpu c = cpu;
    return new long[][] {
      Arrays.copyOf(c.r, 16),
      {c.rip, c.flags(), c.cpl},
      wide(c.selector),
      c.segBase.clone(),
      c.segLimit.clone(),
      wide(c.segAttr),
      {c.gdtBase, c.gdtLimit, c.idtBase, c.idtLimit},
      {c.cr0, c.cr3, c.cr4, c.cr8, c.efer, c.xcr0, c.pkru, c.xss},
      c.dr.clone(),
      {c.fcw, c.fsw, c.ftop, c.fvalid, c.fop, c.fip, c.fcs, c.fdp, c.fds, c.mxcsr},
      c.fpMant.clone(),
      wide(c.fpExp),
      c.xmm.clone(),
      c.ymmh.clone(),
      c.zmmh.clone(),
      c.zmm16.clone(),
      c.k.clone(),
      {c.interruptShadow ? 1 : 0, c.stackSwitchShadow ? 1 : 0, c.nmiBlocked ? 1 : 0},
      {c.kernelGsBase, c.star, c.lstar}
    };
  }

  private static void narrow(long[] from, int[] to) {
    for (int i = 0; i < to.length; i++) {
      to[i] = (int) from[i];
    }
  }

  private static void copy(long[] from, long[] to) {
    System.arraycopy(from, 0, to, 0, from.length);
  }

  private void restoreRegisters() {
    long[][] s = registers;
    Cpu c = cpu;
    copy(s[0], c.r);
    c.rip = s[1][0];
    c.setFlags((int) s[1][1]);
    c.cpl = (int) s[1][2];
    narrow(s[2], c.selector);
    copy(s[3], c.segBase);
    copy(s[4], c.segLimit);
    narrow(s[5], c.segAttr);
    c.gdtBase = s[6][0];
    c.gdtLimit = (int) s[6][1];
    c.idtBase = s[6][2];
    c.idtLimit = (int) s[6][3];
    c.cr0 = s[7][0];
    c.cr3 = s[7][1];
    c.cr4 = s[7][2];
    c.cr8 = s[7][3];
    c.efer = s[7][4];
    c.xcr0 = s[7][5];
    c.pkru = (int) s[7][6];
    c.xss = s[7][7];
    copy(s[8], c.dr);
    c.fcw = (int) s[9][0];
    c.fsw = (int) s[9][1];
    c.ftop = (int) s[9][2];
    c.fvalid = (int) s[9][3];
    c.fop = (int) s[9][4];
    c.fip = s[9][5];
    c.fcs = (int) s[9][6];
    c.fdp = s[9][7];
    c.fds = (int) s[9][8];
    c.mxcsr = (int) s[9][9];
    copy(s[10], c.fpMant);
    narrow(s[11], c.fpExp);
    copy(s[12], c.xmm);
    copy(s[13], c.ymmh);
    copy(s[14], c.zmmh);
    copy(s[15], c.zmm16);
    copy(s[16], c.k);
    c.interruptShadow = s[17][0] != 0;
    c.stackSwitchShadow = s[17][1] != 0;
    c.nmiBlocked = s[17][2] != 0;
    c.kernelGsBase = s[18][0];
    c.star = s[18][1];
    c.lstar = s[18][2];
  }

  /** {@return what differs from what was kept, for people} */
  String difference(long[][] expected) {
    long[][] now = registers();
    StringBuilder b = new StringBuilder();
    for (int i = 0; i < now.length; i++) {
      for (int j = 0; j < now[i].length; j++) {
        if (now[i][j] != expected[i][j]) {
          b.append(" %d.%d: %x, not %x;".formatted(i, j, now[i][j], expected[i][j]));
        }
      }
    }
    return b.toString();
  }

  /** {@return registers that were kept} */
  long[][] kept() {
    return registers;
  }
}
