package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;

/**
 * BMI1, BMI2 and LZCNT (AMD APM volume 3). The VEX-encoded ones exist in protected mode only. Flags
 * that the manual leaves undefined are as AMD processors leave them.
 */
final class BmiOps {
  private BmiOps() {}

  static void register(Families f) {
    f.add("tzcnt", (o, c) -> count(o, c, false));
    f.add("lzcnt", (o, c) -> count(o, c, true));
    f.add("andn", BmiOps::andn);
    f.add("blsr", (o, c) -> lowest(o, c, 0));
    f.add("blsmsk", (o, c) -> lowest(o, c, 1));
    f.add("blsi", (o, c) -> lowest(o, c, 2));
    f.add("bextr", BmiOps::bextr);
    f.add("bzhi", BmiOps::bzhi);
    f.add("pdep", (o, c) -> scatter(o, c, true));
    f.add("pext", (o, c) -> scatter(o, c, false));
    f.add("mulx", BmiOps::mulx);
    f.add("sarx", (o, c) -> shift(o, c, 0));
    f.add("shlx", (o, c) -> shift(o, c, 1));
    f.add("shrx", (o, c) -> shift(o, c, 2));
    f.add("rorx", BmiOps::rorx);
  }

  /** {@return the operand size, once VEX is known to be legal} */
  private static int vex(MemOp o, Cpu c) {
    if (!c.protectedMode() || c.v86()) {
      c.ud();
    }
    return o.insn.osize == 8 ? 8 : 4;
  }

  /** Sets SF, ZF and PF of a result, and CF; clears OF and AF. */
  private static void flags(Cpu c, long v, int n, boolean carry) {
    c.setLogic(MemOp.signExtend(v, n));
    c.setCf(carry);
  }

  private static void count(MemOp o, Cpu c, boolean leading) {
    int n = o.insn.osize;
    long v = o.readRm(c, n);
    int bits = 8 * n;
    int z =
        v == 0
            ? bits
            : leading ? Long.numberOfLeadingZeros(v) - (64 - bits) : Long.numberOfTrailingZeros(v);
    o.writeReg(c, n, z);
    boolean overflow = c.of();
    c.setArith(z == 0 ? CpuState.ZF : 0);
    c.setCfOf(v == 0, overflow);
  }

  private static void andn(MemOp o, Cpu c) {
    int n = vex(o, c);
    long z = ~c.reg(o.insn.vvvv, n) & o.readRm(c, n);
    o.writeReg(c, n, z);
    flags(c, z, n, false);
  }

  /** BLSR clears the lowest set bit, BLSMSK makes a mask up to it, BLSI isolates it. */
  private static void lowest(MemOp o, Cpu c, int kind) {
    int n = vex(o, c);
    long v = o.readRm(c, n);
    long z =
        switch (kind) {
          case 0 -> v & v - 1;
          case 1 -> v ^ v - 1;
          default -> v & -v;
        };
    c.setReg(o.insn.vvvv, n, z);
    flags(c, z, n, kind == 2 ? v != 0 : v == 0);
  }

  private static void bextr(MemOp o, Cpu c) {
    int n = vex(o, c);
    long control = c.reg(o.insn.vvvv, n);
    int start = (int) control & 0xFF;
    int length = (int) control >> 8 & 0xFF;
    long v = o.readRm(c, n);
    long z = start >= 64 ? 0 : v >>> start;
    z &= length >= 64 ? -1L : (1L << length) - 1;
    o.writeReg(c, n, z);
    boolean parity = (Long.bitCount(z & 0xFF) & 1) == 0;
    c.setArith((z == 0 ? CpuState.ZF : 0) | (parity ? CpuState.PF : 0) | CpuState.AF);
  }

  private static void bzhi(MemOp o, Cpu c) {
    int n = vex(o, c);
    int index = (int) c.reg(o.insn.vvvv, n) & 0xFF;
    long v = o.readRm(c, n);
    long z = index >= 8 * n ? v : v & (1L << index) - 1;
    o.writeReg(c, n, z);
    flags(c, z, n, index >= 8 * n);
  }

  private static void scatter(MemOp o, Cpu c, boolean deposit) {
    int n = vex(o, c);
    long mask = o.readRm(c, n);
    long v = c.reg(o.insn.vvvv, n);
    o.writeReg(c, n, deposit ? Long.expand(v, mask) : Long.compress(v, mask));
  }

  /** The product of rDX; the high half is written last. */
  private static void mulx(MemOp o, Cpu c) {
    int n = vex(o, c);
    long a = c.reg(2, n);
    long b = o.readRm(c, n);
    long low = a * b;
    long high = n == 8 ? Math.unsignedMultiplyHigh(a, b) : low >>> 32;
    c.setReg(o.insn.vvvv, n, low);
    o.writeReg(c, n, high);
  }

  private static void shift(MemOp o, Cpu c, int kind) {
    int n = vex(o, c);
    int count = (int) c.reg(o.insn.vvvv, n) & 8 * n - 1;
    long v = o.readRm(c, n);
    long z =
        switch (kind) {
          case 0 -> MemOp.signExtend(v, n) >> count;
          case 1 -> v << count;
          default -> v >>> count;
        };
    o.writeReg(c, n, z);
  }

  private static void rorx(MemOp o, Cpu c) {
    int n = vex(o, c);
    int count = (int) o.insn.imm & 8 * n - 1;
    long v = o.readRm(c, n);
    o.writeReg(c, n, n == 8 ? Long.rotateRight(v, count) : Integer.rotateRight((int) v, count));
  }
}
