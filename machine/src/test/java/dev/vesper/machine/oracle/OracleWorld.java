package dev.vesper.machine.oracle;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.cpu.NestedMap;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;

/**
 * The world of a recorded case: one page of code, two of data, the descriptor tables of a Linux
 * process, and a HLT for each exception.
 */
final class OracleWorld {
  static final long CODE = 0x1000_0000L;
  static final long DATA = 0x2000_0000L;
  static final int DATA_BYTES = 8192;
  private static final long HANDLERS = 0xFFFF_FF80_0000_0000L;
  private static final long TABLES = HANDLERS + 0x2000;
  private static final long STACK_TOP = HANDLERS + 0x8000;
  private static final int IRET_AT = 0x200;
  private static final int CODE_PAGE = 8;
  private static final int DATA_PAGE = 9;
  private static final int HANDLER_PAGE = 16;

  /** Instructions that a case may take: recorded loops of all lengths ended within 0.1 seconds. */
  private static final long LIMIT = 1L << 27;

  private static final int[] GDT_INDEX = {1, 2, 3, 4, 5, 6, 8, 10, 15};
  private static final long[] GDT = {
    0x00CF9B000000FFFFL,
    0x00AF9B000000FFFFL,
    0x00CF93000000FFFFL,
    0x00CFFB000000FFFFL,
    0x00CFF3000000FFFFL,
    0x00AFFB000000FFFFL,
    0x00008B0000000067L,
    0x0000820000000017L,
    0x0040F50000000000L
  };

  private final PhysicalMemory memory = new PhysicalMemory(32 << 12, 0);
  final Cpu cpu;

  /**
   * @param execution see {@link Execution}
   */
  OracleWorld(CpuFeatures features, int execution) {
    NestedMap map = frame -> frame < 32 ? NestedMap.RAM : NestedMap.ABSENT;
    cpu = new Cpu(memory, map, features, new Interpreter(features), 1);
    Execution.choose(cpu, features, execution);
    buildTables();
  }

  private Page page(int frame) {
    return memory.page(frame, Page.SHARED);
  }

  private void buildTables() {
    page(1).put64(0, 0x2007);
    page(2).put64(0, 0x3007);
    page(3).put64((int) (CODE >> 21) * 8, 0x4007);
    page(3).put64((int) (DATA >> 21) * 8, 0x5007);
    // The handlers are in the upper half, which no case reaches.
    page(1).put64(511 * 8, 0x7003);
    page(7).put64(0, 0xB003);
    page(11).put64(0, 0x6003);
    page(4).put64(0, CODE_PAGE << 12 | 5);
    page(5).put64(0, DATA_PAGE << 12 | 7 | 1L << 63);
    page(5).put64(8, DATA_PAGE + 1 << 12 | 7 | 1L << 63);
    for (int i = 0; i < 8; i++) {
      page(6).put64(i * 8, HANDLER_PAGE + i << 12 | 3);
    }
    Page handlers = page(HANDLER_PAGE);
    handlers.fill(0, Page.SIZE, (byte) 0xF4);
    handlers.put8(IRET_AT, 0x48);
    handlers.put8(IRET_AT + 1, 0xCF);
    // GDT at 0, LDT at 0x80, TSS at 0x100; the IDT has a page of its own.
    Page t = page(HANDLER_PAGE + 2);
    for (int i = 0; i < GDT.length; i++) {
      t.put64(GDT_INDEX[i] * 8, GDT[i]);
    }
    t.put64(0x80, 0x1000FB000000FFFFL);
    t.put64(0x88, 0x2000F30000001FFFL);
    t.put64(0x90, 0x2040F30000001FFFL);
    t.put64(0x104, STACK_TOP);
    t.put16(0x166, 0x68);
    Page idt = page(HANDLER_PAGE + 3);
    for (int v = 0; v < 256; v++) {
      long h = HANDLERS + v;
      long dpl = v == 3 || v == 4 ? 3 : 0;
      idt.put64(
          v * 16,
          h & 0xFFFF | 0x10L << 16 | (0x8E00L | dpl << 13) << 32 | (h >> 16 & 0xFFFF) << 48);
      idt.put64(v * 16 + 8, h >> 32);
    }
  }

  private void segment(int s, int sel, long base, long limit, int attr) {
    cpu.selector[s] = sel;
    cpu.segBase[s] = base;
    cpu.segLimit[s] = limit;
    cpu.segAttr[s] = attr;
  }

  /** Puts code and data in place and every register but those of the case into a known state. */
  void prepare(int bits, byte[] code, int offset, byte[] data) {
    Page cp = memory.page(CODE_PAGE, Page.SHARED);
    cp.fill(0, Page.SIZE, (byte) 0xCC);
    cp.copyFrom(offset, code, 0, code.length);
    memory.page(CODE_PAGE, Page.SHARED).dropCode();
    page(DATA_PAGE).copyFrom(0, data, 0, 4096);
    page(DATA_PAGE + 1).copyFrom(0, data, 4096, 4096);
    cpu.resetRegisters();
    cpu.cr0 = 0x8005_0033L;
    cpu.cr4 =
        CpuState.CR4_PAE
            | CpuState.CR4_OSFXSR
            | CpuState.CR4_OSXMMEXCPT
            | CpuState.CR4_FSGSBASE
            | CpuState.CR4_OSXSAVE;
    cpu.xcr0 = 0xE7;
    cpu.cr3 = 0x1000;
    cpu.efer = 0xD01;
    cpu.gdtBase = TABLES;
    cpu.gdtLimit = 0x7F;
    cpu.idtBase = TABLES + 0x1000;
    cpu.idtLimit = 0xFFF;
    segment(CpuState.LDTR, 0x50, TABLES + 0x80, 23, 0x82);
    segment(CpuState.TR, 0x40, TABLES + 0x100, 0x67, 0x8B);
    boolean is16 = bits == 16;
    if (is16) {
      segment(CpuState.CS, 7, CODE, 0xFFFF, 0x0FB);
      segment(CpuState.SS, 0x17, DATA, 0x1FFF, 0x4F3);
    } else {
      segment(CpuState.CS, bits == 64 ? 0x33 : 0x23, 0, 0xFFFF_FFFFL, bits == 64 ? 0xAFB : 0xCFB);
      segment(CpuState.SS, 0x2B, 0, 0xFFFF_FFFFL, 0xCF3);
    }
    for (int s : new int[] {CpuState.DS, CpuState.ES}) {
      if (is16) {
        segment(s, 0xF, DATA, 0x1FFF, 0x0F3);
      } else {
        segment(s, 0x2B, 0, 0xFFFF_FFFFL, 0xCF3);
      }
    }
    segment(CpuState.FS, 0, bits == 64 ? DATA + 0x400 : 0, 0, 0);
    segment(CpuState.GS, 0, bits == 64 ? DATA + 0x800 : 0, 0, 0);
    cpu.cpl = 3;
    cpu.rip = is16 ? offset : CODE + offset;
    cpu.intercepts.vector3 = 1 << 24 | 1 << 31;
    cpu.flushTlb(true);
  }

  /** {@return the vector of the exception that the case ended with, or -1 if it does not end} */
  int run() {
    // The case has set flags, AC perhaps.
    cpu.modeChanged();
    cpu.run(cpu.icount + LIMIT);
    return cpu.exitCode == 0x78 && cpu.cpl == 0 ? (int) (cpu.rip - HANDLERS) : -1;
  }

  /** {@return a field of the exception's frame: 0 RIP, 1 CS, 2 RFLAGS, 3 RSP, 4 SS} */
  long frame(int vector, int field) {
    return cpu.sysRead(cpu.r[4] + (hasError(vector) ? 8 : 0) + 8L * field, 8);
  }

  static boolean hasError(int vector) {
    return vector == 8 || vector >= 10 && vector <= 14 || vector == 17;
  }

  long errorCode() {
    return cpu.sysRead(cpu.r[4], 8);
  }

  /** Goes on behind an exception without an error code. */
  int goOn() {
    cpu.rip = HANDLERS + IRET_AT;
    return run();
  }

  long data(int offset) {
    return page(DATA_PAGE + (offset >> 12)).get64(offset & 4095);
  }

  /** Loads the state of an FXSAVE64 image. */
  void setFx(byte[] fx) {
    cpu.fcw = u16(fx, 0) & 0x1F7F | 0x40;
    int sw = u16(fx, 2);
    cpu.ftop = sw >> 11 & 7;
    cpu.fsw = sw & 0x477F;
    if ((cpu.fsw & ~cpu.fcw & 0x3F) != 0) {
      cpu.fsw |= 0x8080;
    }
    cpu.fvalid = fx[4] & 0xFF;
    cpu.fop = u16(fx, 6) & 0x7FF;
    cpu.fip = (long) Page.LONG.get(fx, 8);
    cpu.fdp = (long) Page.LONG.get(fx, 16);
    cpu.fcs = 0;
    cpu.fds = 0;
    cpu.mxcsr = (int) Page.INT.get(fx, 24);
    for (int i = 0; i < 8; i++) {
      int p = cpu.ftop + i & 7;
      cpu.fpMant[p] = (long) Page.LONG.get(fx, 32 + 16 * i);
      cpu.fpExp[p] = u16(fx, 40 + 16 * i);
    }
    for (int i = 0; i < 32; i++) {
      cpu.xmm[i] = (long) Page.LONG.get(fx, 160 + 8 * i);
    }
  }

  /** {@return the state as an FXSAVE64 image, up to XMM15} */
  byte[] fx() {
    byte[] fx = new byte[416];
    Page.SHORT.set(fx, 0, (short) cpu.fcw);
    Page.SHORT.set(fx, 2, (short) (cpu.fsw | cpu.ftop << 11));
    fx[4] = (byte) cpu.fvalid;
    if ((cpu.fsw & 0x80) != 0) {
      // Without a pending exception AMD processors store zeros.
      Page.SHORT.set(fx, 6, (short) cpu.fop);
      Page.LONG.set(fx, 8, cpu.fip);
      Page.LONG.set(fx, 16, cpu.fdp);
    }
    Page.INT.set(fx, 24, cpu.mxcsr);
    for (int i = 0; i < 8; i++) {
      int p = cpu.ftop + i & 7;
      Page.LONG.set(fx, 32 + 16 * i, cpu.fpMant[p]);
      Page.LONG.set(fx, 40 + 16 * i, cpu.fpExp[p] & 0xFFFFL);
    }
    for (int i = 0; i < 32; i++) {
      Page.LONG.set(fx, 160 + 8 * i, cpu.xmm[i]);
    }
    return fx;
  }

  static int u16(byte[] b, int at) {
    return (short) Page.SHORT.get(b, at) & 0xFFFF;
  }
}
