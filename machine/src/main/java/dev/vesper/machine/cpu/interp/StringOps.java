package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.Segmentation;
import dev.vesper.machine.memory.Page;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.OperandSpec;

/**
 * String instructions. A repeated one does at most a page at a time and then starts again at its
 * own RIP, so that interrupts come in between and a fault finds the progress in the registers. Each
 * time counts as an instruction, so that how much it does follows from what the guest sees alone:
 * whether a page has decoded code or somebody watches it decides how, and never how much.
 */
final class StringOps {
  private static final int RCX = 1;
  private static final int RSI = 6;
  private static final int RDI = 7;

  /** There is no block of elements here. */
  private static final int SINGLY = 0;

  /**
   * The next element is none of a block, as one that lies in two pages is, but those behind it may
   * be.
   */
  private static final int ALONE = -1;

  private StringOps() {}

  static void register(Families f) {
    f.transfer("movs", (o, c) -> repeat(o, c, StringOps::movs, StringOps::movsBlock));
    f.transfer("stos", (o, c) -> repeat(o, c, StringOps::stos, StringOps::stosBlock));
    f.transfer("lods", (o, c) -> repeat(o, c, StringOps::lods, StringOps::none));
    f.transfer("cmps", (o, c) -> repeat(o, c, StringOps::cmps, StringOps::none));
    f.transfer("scas", (o, c) -> repeat(o, c, StringOps::scas, StringOps::none));
  }

  /** One element; the registers that it moves are committed when it returns. */
  interface Element {
    void run(MemOp o, Cpu c, int bytes, int step);
  }

  /**
   * Many elements at once; returns how many, or {@link #ALONE} or {@link #SINGLY}, or minus how
   * many are to be done one by one.
   */
  interface BlockCopy {
    long run(MemOp o, Cpu c, int step, long count);
  }

  private static long none(MemOp o, Cpu c, int step, long count) {
    return SINGLY;
  }

  static int elementSize(MemOp o) {
    for (OperandSpec s : o.insn.form().operands) {
      if (s.kind() == OperandKind.SOURCE || s.kind() == OperandKind.DESTINATION) {
        return s.bytes(o.insn);
      }
    }
    throw new AssertionError("not a string instruction");
  }

  private static void repeat(MemOp o, Cpu c, Element e, BlockCopy block) {
    int n = elementSize(o);
    int step = (c.eflags & CpuState.DF) != 0 ? -n : n;
    if (!o.insn.rep && !o.insn.repne) {
      e.run(o, c, n, step);
      c.rip = o.nextRip(c);
      return;
    }
    long count = c.r[RCX] & o.mask();
    if (count == 0) {
      c.rip = o.nextRip(c);
      return;
    }
    int most = Page.SIZE / n;
    if (c.stepping()) {
      most = 1;
    } else if (count > 1) {
      long done = block.run(o, c, step, count);
      if (done > 0) {
        count -= done;
        c.setReg(RCX, o.insn.asize, count);
        c.rip = count == 0 ? o.nextRip(c) : o.thisRip(c);
        return;
      }
      most = done == SINGLY ? most : (int) -done;
    }
    elements(o, c, e, step, most);
  }

  /** Repeats element by element, at most so many times. */
  private static void elements(MemOp o, Cpu c, Element e, int step, int most) {
    boolean conditional = o.insn.form().conditionalRep();
    int n = Math.abs(step);
    long count = c.r[RCX] & o.mask();
    for (int i = 0; i < most; i++) {
      e.run(o, c, n, step);
      count = count - 1 & o.mask();
      c.setReg(RCX, o.insn.asize, count);
      if (count == 0 || conditional && c.zf() != o.insn.rep) {
        c.rip = o.nextRip(c);
        return;
      }
    }
    c.rip = o.thisRip(c);
  }

  /** {@return the linear address of the source operand} */
  static long source(MemOp o, Cpu c, int bytes) {
    int seg = o.insn.segOverride >= 0 ? o.insn.segOverride : CpuState.DS;
    int kind = MemOp.segmentKind(seg, c.codeMode());
    long a = c.r[RSI] & o.mask();
    return kind == Segmentation.SEG_NONE ? a : c.linear(kind, seg, a, bytes, false);
  }

  /** {@return the linear address of the destination operand} */
  static long destination(MemOp o, Cpu c, int bytes, boolean write) {
    int kind = MemOp.segmentKind(CpuState.ES, c.codeMode());
    long a = c.r[RDI] & o.mask();
    return kind == Segmentation.SEG_NONE ? a : c.linear(kind, CpuState.ES, a, bytes, write);
  }

  /** Moves an index register. */
  static void advance(MemOp o, Cpu c, int register, long by) {
    c.setReg(register, o.insn.asize, c.r[register] + by);
  }

  private static void movs(MemOp o, Cpu c, int n, int step) {
    long v = c.rd(source(o, c, n), n);
    c.wr(destination(o, c, n, true), n, v);
    advance(o, c, RSI, step);
    advance(o, c, RDI, step);
  }

  private static void stos(MemOp o, Cpu c, int n, int step) {
    c.wr(destination(o, c, n, true), n, c.r[0]);
    advance(o, c, RDI, step);
  }

  private static void lods(MemOp o, Cpu c, int n, int step) {
    c.setReg(0, n, c.rd(source(o, c, n), n));
    advance(o, c, RSI, step);
  }

  private static void compare(Cpu c, long a, long b, int n) {
    int s = 64 - 8 * n;
    long v = a - b;
    c.fRes = v << s >> s;
    c.fCv = (~a & b | (~a | b) & v) << s;
    c.fAx = (a ^ b ^ v) & 0x10;
  }

  private static void cmps(MemOp o, Cpu c, int n, int step) {
    // AMD processors read the second operand first, which shows when both fault.
    long b = c.rd(destination(o, c, n, false), n);
    long a = c.rd(source(o, c, n), n);
    advance(o, c, RSI, step);
    advance(o, c, RDI, step);
    compare(c, a, b, n);
  }

  private static void scas(MemOp o, Cpu c, int n, int step) {
    long b = c.rd(destination(o, c, n, false), n);
    advance(o, c, RDI, step);
    compare(c, c.reg(0, n), b, n);
  }

  /**
   * {@return how many elements there are before a page ends or an address wraps, of those from an
   * address upwards or downwards}
   */
  private static long fit(long la, long register, long mask, int step, long count) {
    int n = Math.abs(step);
    int at = (int) la & 0xFFF;
    if (at + n > Page.SIZE) {
      return 0;
    }
    long room = step > 0 ? (Page.SIZE - at) / n : at / n + 1;
    long address = register & mask;
    long wrap = mask == -1L ? count : (step > 0 ? mask - address : address) / n;
    return Math.min(count, Math.min(room, wrap));
  }

  private static boolean flat(Cpu c, int seg) {
    return MemOp.segmentKind(seg, c.codeMode()) != Segmentation.SEG_CHECK;
  }

  private static long movsBlock(MemOp o, Cpu c, int step, long count) {
    int seg = o.insn.segOverride >= 0 ? o.insn.segOverride : CpuState.DS;
    if (!flat(c, seg) || !flat(c, CpuState.ES)) {
      return SINGLY;
    }
    int n = Math.abs(step);
    long from = source(o, c, n);
    long to = destination(o, c, n, true);
    long k = fit(from, c.r[RSI], o.mask(), step, fit(to, c.r[RDI], o.mask(), step, count));
    if (k < 2) {
      return ALONE;
    }
    Page p = c.blockPage(from, false);
    Page q = c.blockPage(to, true);
    if (p == null || q == null || c.blockPage(from, false) != p) {
      return -k;
    }
    int source = (int) from & 0xFFF;
    int destination = (int) to & 0xFFF;
    // Bytes that one element writes and a later one reads are read as written, which a move of all
    // at once is not.
    int ahead = step > 0 ? destination - source : source - destination;
    long piece = p == q && ahead > 0 ? ahead / n : k;
    if (piece < 2) {
      return -k;
    }
    for (long done = 0; done < k; done += piece) {
      int at = (int) done * step;
      int bytes = (int) Math.min(piece, k - done) * n;
      // The lowest byte of a block that goes downwards is in its last element.
      int below = step > 0 ? 0 : bytes - n;
      p.copyTo(source + at - below, q, destination + at - below, bytes);
    }
    advance(o, c, RSI, k * step);
    advance(o, c, RDI, k * step);
    return k;
  }

  private static long stosBlock(MemOp o, Cpu c, int step, long count) {
    if (!flat(c, CpuState.ES)) {
      return SINGLY;
    }
    int n = Math.abs(step);
    long to = destination(o, c, n, true);
    long k = fit(to, c.r[RDI], o.mask(), step, count);
    if (k < 2) {
      return ALONE;
    }
    Page q = c.blockPage(to, true);
    if (q == null) {
      return -k;
    }
    int bytes = (int) k * n;
    int at = ((int) to & 0xFFF) - (step > 0 ? 0 : bytes - n);
    long v = c.r[0];
    switch (n) {
      case 1 -> q.fill(at, bytes, (byte) v);
      case 2 -> q.put16(at, (int) v);
      case 4 -> q.put32(at, (int) v);
      default -> q.put64(at, v);
    }
    // What is there is doubled until all is.
    for (int done = n == 1 ? bytes : n; done < bytes; done *= 2) {
      q.copyTo(at, q, at + done, Math.min(done, bytes - done));
    }
    advance(o, c, RDI, k * step);
    return k;
  }
}
