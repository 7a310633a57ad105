package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.x86.OperandKind;
import java.util.function.LongBinaryOperator;

/** AVX-512 opmask registers: moves, logic, shifts, tests, and between masks and vectors. */
final class Opmasks {
  private Opmasks() {}

  static void register(Families f) {
    String[] names = {"b", "w", "d", "q"};
    for (int i = 0; i < 4; i++) {
      int w = 8 << i;
      String t = names[i];
      binary(f, "kand" + t, w, (a, b) -> a & b);
      binary(f, "kandn" + t, w, (a, b) -> ~a & b);
      binary(f, "kor" + t, w, (a, b) -> a | b);
      binary(f, "kxnor" + t, w, (a, b) -> ~(a ^ b));
      binary(f, "kxor" + t, w, (a, b) -> a ^ b);
      binary(f, "kadd" + t, w, (a, b) -> a + b);
      f.add("knot" + t, (o, c) -> put(o, c, w, ~rm(o, c)));
      f.add("kshiftl" + t, (o, c) -> put(o, c, w, shift(o, c, w, true)));
      f.add("kshiftr" + t, (o, c) -> put(o, c, w, shift(o, c, w, false)));
      f.add("kortest" + t, (o, c) -> orTest(o, c, w));
      f.add("ktest" + t, (o, c) -> test(o, c, w));
      f.add("kmov" + t, (o, c) -> move(o, c, w));
      f.add("vpmovm2" + t, (o, c) -> toVector(o, c, w));
      f.add("vpmov" + t + "2m", (o, c) -> toMask(o, c, w));
    }
    binary(f, "kunpckbw", 16, (a, b) -> a << 8 & 0xFF00 | b & 0xFF);
    binary(f, "kunpckwd", 32, (a, b) -> a << 16 | b & 0xFFFF);
    binary(f, "kunpckdq", 64, (a, b) -> a << 32 | b & 0xFFFF_FFFFL);
    f.add("vpbroadcastmb2q", (o, c) -> broadcast(o, c, 64, 0xFF));
    f.add("vpbroadcastmw2d", (o, c) -> broadcast(o, c, 32, 0xFFFF));
  }

  private static long mask(int width) {
    return -1L >>> 64 - width;
  }

  private static long rm(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    return c.k[o.rm & 7];
  }

  private static void put(MemOp o, Cpu c, int width, long v) {
    c.k[o.reg & 7] = v & mask(width);
  }

  private static void binary(Families f, String name, int width, LongBinaryOperator op) {
    f.add(
        name,
        (o, c) -> {
          long b = rm(o, c);
          put(o, c, width, op.applyAsLong(c.k[o.insn.vvvv & 7], b));
        });
  }

  private static long shift(MemOp o, Cpu c, int width, boolean left) {
    int n = (int) o.insn.imm & 0xFF;
    long v = rm(o, c) & mask(width);
    return n >= width ? 0 : left ? v << n : v >>> n;
  }

  private static void orTest(MemOp o, Cpu c, int width) {
    long v = (rm(o, c) | c.k[o.reg & 7]) & mask(width);
    c.setArith((v == 0 ? CpuState.ZF : 0) | (v == mask(width) ? CpuState.CF : 0));
  }

  private static void test(MemOp o, Cpu c, int width) {
    long b = rm(o, c);
    long a = c.k[o.reg & 7];
    c.setArith(
        ((a & b & mask(width)) == 0 ? CpuState.ZF : 0)
            | ((~a & b & mask(width)) == 0 ? CpuState.CF : 0));
  }

  private static void move(MemOp o, Cpu c, int width) {
    Vectors.enter(o, c);
    OperandKind to = o.insn.form().operands.get(0).kind();
    OperandKind from = o.insn.form().operands.get(1).kind();
    int bytes = width / 8;
    if (to == OperandKind.MASK_RM) {
      c.wr(o.la(c, bytes, true), bytes, c.k[o.reg & 7]);
    } else if (to == OperandKind.REG) {
      c.r[o.reg] = c.k[o.rm & 7] & mask(width);
    } else if (from == OperandKind.RM_REGISTER) {
      put(o, c, width, c.r[o.rm]);
    } else {
      put(o, c, width, o.mem ? c.rd(o.la(c, bytes, false), bytes) : c.k[o.rm & 7]);
    }
  }

  private static void toVector(MemOp o, Cpu c, int width) {
    Vectors.enter(o, c);
    long[] z = new long[o.quads];
    for (int i = 0; i < 64 * o.quads / width; i++) {
      PackedShuffles.set(z, i, width, (c.k[o.rm & 7] >>> i & 1) != 0 ? -1 : 0);
    }
    Vectors.putAll(o, c, o.reg, z);
  }

  private static void toMask(MemOp o, Cpu c, int width) {
    Vectors.enter(o, c);
    long[] v = Vectors.register(c, o.rm, o.quads);
    long z = 0;
    for (int i = 0; i < 64 * o.quads / width; i++) {
      z |= PackedShuffles.element(v, i, width) >>> width - 1 << i;
    }
    c.k[o.reg & 7] = z;
  }

  private static void broadcast(MemOp o, Cpu c, int width, long mask) {
    Vectors.enter(o, c);
    long v = c.k[o.rm & 7] & mask;
    long[] z = new long[o.quads];
    java.util.Arrays.fill(z, width == 32 ? v | v << 32 : v);
    Vectors.putAll(o, c, o.reg, z);
  }
}
