package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import java.util.function.LongBinaryOperator;

/** SSE4.1 on integers: blends, widening moves, minima and maxima, inserts and extracts, tests. */
final class Sse41 {
  private Sse41() {}

  static void register(Families f) {
    blendByRegister(f, "pblendvb", 8);
    blendByRegister(f, "blendvps", 32);
    blendByRegister(f, "blendvpd", 64);
    f.both("pblendw", (o, c) -> blendByImmediate(o, c, 16));
    f.both("blendps", (o, c) -> blendByImmediate(o, c, 32));
    f.both("blendpd", (o, c) -> blendByImmediate(o, c, 64));
    f.both("ptest", Sse41::test);
    PackedShuffles.vector(
        f,
        "pmuldq",
        (a, b, z) -> {
          z[0] = (long) (int) a[0] * (int) b[0];
          z[1] = (long) (int) a[1] * (int) b[1];
        });
    PackedShuffles.vector(
        f,
        "pcmpeqq",
        (a, b, z) -> {
          z[0] = a[0] == b[0] ? -1 : 0;
          z[1] = a[1] == b[1] ? -1 : 0;
        });
    PackedShuffles.vector(f, "packusdw", (a, b, z) -> PackedShuffles.pack(a, b, z, 32, 0, 65535));
    each(f, "pminsb", 8, Math::min);
    each(f, "pminsd", 32, Math::min);
    each(f, "pmaxsb", 8, Math::max);
    each(f, "pmaxsd", 32, Math::max);
    each(f, "pminuw", 16, (x, y) -> Math.min(x & 0xFFFF, y & 0xFFFF));
    each(f, "pmaxuw", 16, (x, y) -> Math.max(x & 0xFFFF, y & 0xFFFF));
    each(f, "pminud", 32, (x, y) -> Math.min(x & 0xFFFF_FFFFL, y & 0xFFFF_FFFFL));
    each(f, "pmaxud", 32, (x, y) -> Math.max(x & 0xFFFF_FFFFL, y & 0xFFFF_FFFFL));
    each(f, "pmulld", 32, (x, y) -> x * y);
    PackedShuffles.vector(f, "phminposuw", Sse41::minimumPosition);
    String[] widths = {"bw", "bd", "bq", "wd", "wq", "dq"};
    int[] from = {8, 8, 8, 16, 16, 32};
    int[] to = {16, 32, 64, 32, 64, 64};
    for (int i = 0; i < widths.length; i++) {
      int narrow = from[i];
      int wide = to[i];
      f.both("pmovsx" + widths[i], (o, c) -> widen(o, c, narrow, wide, true));
      f.both("pmovzx" + widths[i], (o, c) -> widen(o, c, narrow, wide, false));
    }
    f.both("movntdqa", Sse41::loadNonTemporal);
    f.both("mpsadbw", Sse41::sumsOfDifferences);
    f.both("pextrb", (o, c) -> extract(o, c, 1));
    f.both("pextrd", (o, c) -> extract(o, c, 4));
    f.both("pextrq", (o, c) -> extract(o, c, 8));
    f.both("extractps", (o, c) -> extract(o, c, 4));
    f.both("pinsrb", (o, c) -> insert(o, c, 1));
    f.both("pinsrd", (o, c) -> insert(o, c, 4));
    f.both("pinsrq", (o, c) -> insert(o, c, 8));
    f.both("insertps", Sse41::insertSingle);
  }

  private static void each(Families f, String name, int width, LongBinaryOperator op) {
    MmxOps.lanes(f, name, (a, b) -> MmxOps.each(a, b, width, op));
  }

  /** The top bit of each element of XMM0, or of the register that a VEX form names, chooses. */
  private static void blendByRegister(Families f, String name, int width) {
    f.both(
        name,
        (o, c) -> {
          Vectors.enter(o, c);
          long[] b = Vectors.second(o, c);
          long[] a = Vectors.first(o, c);
          long[] mask = Vectors.register(c, o.insn.vex ? o.insn.immRegister() : 0, o.quads);
          long[] z = new long[o.quads];
          for (int i = 0; i < 64 * o.quads / width; i++) {
            int top = (i + 1) * width - 1;
            boolean second = (mask[top >> 6] >>> (top & 63) & 1) != 0;
            PackedShuffles.set(z, i, width, PackedShuffles.element(second ? b : a, i, width));
          }
          Vectors.put(o, c, z);
        });
  }

  /** Bits of the immediate choose; PBLENDW uses the same eight for both lanes. */
  static void blendByImmediate(MemOp o, Cpu c, int width) {
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    long[] a = Vectors.first(o, c);
    long[] z = new long[o.quads];
    for (int i = 0; i < 64 * o.quads / width; i++) {
      boolean second = (o.insn.imm >> (i & 7) & 1) != 0;
      PackedShuffles.set(z, i, width, PackedShuffles.element(second ? b : a, i, width));
    }
    Vectors.put(o, c, z);
  }

  private static void test(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    long[] a = Vectors.register(c, o.reg, o.quads);
    testBits(c, a, b, -1L);
  }

  /** Sets ZF if no bit of both under the mask is set, CF if no bit of the second alone is. */
  static void testBits(Cpu c, long[] a, long[] b, long mask) {
    long both = 0;
    long second = 0;
    for (int i = 0; i < a.length; i++) {
      both |= a[i] & b[i] & mask;
      second |= ~a[i] & b[i] & mask;
    }
    c.setArith((both == 0 ? CpuState.ZF : 0) | (second == 0 ? CpuState.CF : 0));
  }

  private static void minimumPosition(long[] a, long[] b, long[] z) {
    int at = 0;
    for (int i = 1; i < 8; i++) {
      if (PackedShuffles.element(b, i, 16) < PackedShuffles.element(b, at, 16)) {
        at = i;
      }
    }
    z[0] = PackedShuffles.element(b, at, 16) | (long) at << 16;
  }

  /** Elements of the low part of the source, extended. */
  private static void widen(MemOp o, Cpu c, int narrow, int wide, boolean signed) {
    Vectors.enter(o, c);
    int bytes = 8 * o.quads * narrow / wide;
    long[] v =
        o.mem && o.insn.mask != 0
            ? Vectors.masked(o, c, bytes, narrow / 8)
            : Vectors.source(o, c, bytes);
    long[] z = new long[o.quads];
    int s = 64 - narrow;
    for (int i = 0; i < 64 * o.quads / wide; i++) {
      long e = PackedShuffles.element(v, i, narrow);
      PackedShuffles.set(z, i, wide, signed ? e << s >> s : e);
    }
    Vectors.put(o, c, z);
  }

  private static void loadNonTemporal(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    int bytes = 8 * o.quads;
    Vectors.put(o, c, Vectors.load(c, o.la(c, bytes, false), bytes, bytes));
  }

  /** MPSADBW: each lane has three bits of the immediate. */
  private static void sumsOfDifferences(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    long[] a = Vectors.first(o, c);
    long[] z = new long[o.quads];
    for (int i = 0; i < 4 * o.quads; i++) {
      int lane = i >> 3;
      int imm = (int) o.insn.imm >> 3 * lane;
      int first = 16 * lane + (imm >> 2 & 1) * 4 + (i & 7);
      int second = 16 * lane + (imm & 3) * 4;
      long sum = 0;
      for (int k = 0; k < 4; k++) {
        sum +=
            Math.abs(
                PackedShuffles.element(a, first + k, 8) - PackedShuffles.element(b, second + k, 8));
      }
      PackedShuffles.set(z, i, 16, sum);
    }
    Vectors.put(o, c, z);
  }

  /** PEXTRx and EXTRACTPS: an element to memory or, zero-extended, to a register. */
  static void extract(MemOp o, Cpu c, int bytes) {
    Vectors.enter(o, c);
    int i = (int) o.insn.imm & 16 / bytes - 1;
    long e = PackedShuffles.element(Vectors.register(c, o.reg, 2), i, 8 * bytes);
    if (o.mem) {
      c.wr(o.la(c, bytes, true), bytes, e);
    } else {
      c.r[o.rm] = e;
    }
  }

  /** PINSRx: the first source with an element replaced from memory or a register. */
  static void insert(MemOp o, Cpu c, int bytes) {
    Vectors.enter(o, c);
    long e = o.mem ? c.rd(o.la(c, bytes, false), bytes) : c.r[o.rm];
    long[] v = Vectors.first(o, c);
    replace(v, (int) o.insn.imm & 16 / bytes - 1, 8 * bytes, e);
    Vectors.put(o, c, v);
  }

  private static void replace(long[] v, int i, int width, long e) {
    int at = i * width >> 6;
    int shift = i * width & 63;
    long mask = -1L >>> 64 - width;
    v[at] = v[at] & ~(mask << shift) | (e & mask) << shift;
  }

  private static void insertSingle(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    int imm = (int) o.insn.imm;
    long e =
        o.mem
            ? c.rd(o.la(c, 4, false), 4)
            : PackedShuffles.element(Vectors.register(c, o.rm, 2), imm >> 6 & 3, 32);
    long[] v = Vectors.first(o, c);
    replace(v, imm >> 4 & 3, 32, e);
    for (int i = 0; i < 4; i++) {
      if ((imm >> i & 1) != 0) {
        replace(v, i, 32, 0);
      }
    }
    Vectors.put(o, c, v);
  }
}
