package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.Op;
import dev.vesper.machine.cpu.Segmentation;
import dev.vesper.x86.Insn;

/** An operation that may have a ModRM operand. */
abstract class MemOp extends Op {
  byte base = CpuState.ZERO;
  byte index = CpuState.ZERO;
  byte scale;
  long disp;

  /** Bits that the address size lacks: the mask itself would make operations larger than a line. */
  byte narrow;

  byte segKind;
  byte seg;

  /** The operand is memory. */
  boolean mem;

  /** ModRM.reg and ModRM.rm as plain numbers. */
  byte reg;

  byte rm;

  /** Quadwords of the form's widest vector operand: 2 or 4; 0 if it has none. */
  byte quads;

  /**
   * Takes the operand fields of a decoded instruction.
   *
   * @param codeMode the mode that the code runs in
   * @param offset of the instruction in its page
   */
  final void bind(Insn in, int codeMode, int offset) {
    reg = (byte) in.reg;
    rm = (byte) in.rm;
    mem = in.mem;
    quads = (byte) (in.form().vectorBytes(in) / 8);
    narrow = (byte) (64 - 8 * in.asize);
    if (!in.mem) {
      return;
    }
    base = (byte) (in.base == Insn.NO_REG ? CpuState.ZERO : in.base);
    boolean none = in.index == Insn.NO_REG || in.form().hasVectorIndex();
    index = (byte) (none ? CpuState.ZERO : in.index);
    scale = (byte) in.scale;
    disp = in.disp;
    if (in.base == Insn.RIP) {
      base = CpuState.PAGE;
      disp += offset + in.length;
    }
    seg = (byte) in.segment();
    segKind = (byte) segmentKind(seg, codeMode);
  }

  /** {@return how a segment is handled in a code mode} */
  static int segmentKind(int seg, int codeMode) {
    if (codeMode >> 1 == 2) {
      return seg >= CpuState.FS ? Segmentation.SEG_BASE : Segmentation.SEG_NONE;
    }
    boolean flat = (codeMode & 1) != 0;
    return flat && seg <= CpuState.DS && seg != CpuState.CS
        ? Segmentation.SEG_NONE
        : Segmentation.SEG_CHECK;
  }

  /** {@return the mask of the address size} */
  final long mask() {
    return -1L >>> narrow;
  }

  /** {@return the operand's offset in its segment} */
  final long ea(Cpu c) {
    long[] r = c.r;
    return r[base] + (r[index] << scale) + disp & mask();
  }

  /** {@return the operand's linear address} */
  final long la(Cpu c, int bytes, boolean write) {
    long a = ea(c);
    return segKind == Segmentation.SEG_NONE ? a : c.linear(segKind, seg, a, bytes, write);
  }

  /** {@return RIP of the next instruction} */
  final long nextRip(Cpu c) {
    return c.r[CpuState.PAGE] + next & c.ripMask();
  }

  /** {@return RIP of this instruction} */
  final long thisRip(Cpu c) {
    return c.r[CpuState.PAGE] + offset & c.ripMask();
  }

  /** {@return an 8-bit register's number in {@link CpuState#reg8}'s code} */
  static int code8(int reg, Insn in) {
    return in.rex == 0 && reg >= 4 && reg < 8 ? 32 + reg - 4 : reg;
  }

  /** {@return the r/m operand, zero-extended} */
  final long readRm(Cpu c, int bytes) {
    if (mem) {
      return c.rd(la(c, bytes, false), bytes);
    }
    return c.reg(bytes == 1 ? code8(rm, insn) : rm, bytes);
  }

  /** Writes the r/m operand. */
  final void writeRm(Cpu c, int bytes, long v) {
    if (mem) {
      c.wr(la(c, bytes, true), bytes, v);
    } else {
      c.setReg(bytes == 1 ? code8(rm, insn) : rm, bytes, v);
    }
  }

  /** {@return the reg operand, zero-extended} */
  final long readReg(Cpu c, int bytes) {
    return c.reg(bytes == 1 ? code8(reg, insn) : reg, bytes);
  }

  /** Writes the reg operand. */
  final void writeReg(Cpu c, int bytes, long v) {
    c.setReg(bytes == 1 ? code8(reg, insn) : reg, bytes, v);
  }

  static long signExtend(long v, int bytes) {
    int s = 64 - 8 * bytes;
    return v << s >> s;
  }
}
