package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import java.util.function.LongBinaryOperator;

/** SSE4.1 on integers: blends, widening moves, minima and maxima, inserts and extracts, tests. */
final class Sse41 {
  private Sse41() {}

  static void register(Families f) {
    f.add("pblendvb", (o, c) -> blendByRegister(o, c, 8));
    f.add("blendvps", (o, c) -> blendByRegister(o, c, 32));
    f.add("blendvpd", (o, c) -> blendByRegister(o, c, 64));
    f.add("pblendw", (o, c) -> blendByImmediate(o, c, 16));
    f.add("blendps", (o, c) -> blendByImmediate(o, c, 32));
    f.add("blendpd", (o, c) -> blendByImmediate(o, c, 64));
    f.add("ptest", Sse41::test);
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
      f.add("pmovsx" + widths[i], (o, c) -> widen(o, c, narrow, wide, true));
      f.add("pmovzx" + widths[i], (o, c) -> widen(o, c, narrow, wide, false));
    }
    f.add("movntdqa", Sse41::loadNonTemporal);
    f.add("mpsadbw", Sse41::sumsOfDifferences);
    f.add("pextrb", (o, c) -> extract(o, c, 1));
    f.add("pextrd", (o, c) -> extract(o, c, 4));
    f.add("pextrq", (o, c) -> extract(o, c, 8));
    f.add("extractps", (o, c) -> extract(o, c, 4));
    f.add("pinsrb", (o, c) -> insert(o, c, 1));
    f.add("pinsrd", (o, c) -> insert(o, c, 4));
    f.add("pinsrq", (o, c) -> insert(o, c, 8));
    f.add("insertps", Sse41::insertSingle);
  }

  private static void each(Families f, String name, int width, LongBinaryOperator op) {
    MmxOps.lanes(f, name, (a, b) -> MmxOps.each(a, b, width, op));
  }

  /** The top bit of each element of XMM0 chooses the source. */
  private static void blendByRegister(MemOp o, Cpu c, int width) {
    PackedShuffles.binary(
        o,
        c,
        (a, b, z) -> {
          for (int i = 0; i < 128 / width; i++) {
            int top = (i + 1) * width - 1;
            boolean second = (c.xmm[top >> 6] >>> (top & 63) & 1) != 0;
            PackedShuffles.set(z, i, width, PackedShuffles.element(second ? b : a, i, width));
          }
        });
  }

  private static void blendByImmediate(MemOp o, Cpu c, int width) {
    PackedShuffles.binary(
        o,
        c,
        (a, b, z) -> {
          for (int i = 0; i < 128 / width; i++) {
            boolean second = (o.insn.imm >> i & 1) != 0;
            PackedShuffles.set(z, i, width, PackedShuffles.element(second ? b : a, i, width));
          }
        });
  }

  private static void test(MemOp o, Cpu c) {
    Sse.enter(c);
    long[] b = new long[2];
    Sse.load(o, c, b, false);
    long low = c.xmm[2 * o.reg];
    long high = c.xmm[2 * o.reg + 1];
    int zero = (low & b[0] | high & b[1]) == 0 ? CpuState.ZF : 0;
    int carry = (~low & b[0] | ~high & b[1]) == 0 ? CpuState.CF : 0;
    c.setArith(zero | carry);
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
    Sse.enter(c);
    int bytes = 16 * narrow / wide;
    long v = o.mem ? c.rd(o.la(c, bytes, false), bytes) : c.xmm[2 * o.rm];
    long[] z = new long[2];
    for (int i = 0; i < 128 / wide; i++) {
      int s = 64 - narrow;
      long e = v << s - i * narrow;
      PackedShuffles.set(z, i, wide, signed ? e >> s : e >>> s);
    }
    c.xmm[2 * o.reg] = z[0];
    c.xmm[2 * o.reg + 1] = z[1];
  }

  private static void loadNonTemporal(MemOp o, Cpu c) {
    Sse.enter(c);
    long[] b = new long[2];
    Sse.load(o, c, b, false);
    c.xmm[2 * o.reg] = b[0];
    c.xmm[2 * o.reg + 1] = b[1];
  }

  private static void sumsOfDifferences(MemOp o, Cpu c) {
    int first = ((int) o.insn.imm >> 2 & 1) * 4;
    int second = ((int) o.insn.imm & 3) * 4;
    PackedShuffles.binary(
        o,
        c,
        (a, b, z) -> {
          for (int i = 0; i < 8; i++) {
            long sum = 0;
            for (int k = 0; k < 4; k++) {
              sum +=
                  Math.abs(
                      PackedShuffles.element(a, first + i + k, 8)
                          - PackedShuffles.element(b, second + k, 8));
            }
            PackedShuffles.set(z, i, 16, sum);
          }
        });
  }

  /** PEXTRx and EXTRACTPS: an element to memory or, zero-extended, to a register. */
  static void extract(MemOp o, Cpu c, int bytes) {
    Sse.enter(c);
    int i = (int) o.insn.imm & 16 / bytes - 1;
    long[] v = {c.xmm[2 * o.reg], c.xmm[2 * o.reg + 1]};
    long e = PackedShuffles.element(v, i, 8 * bytes);
    if (o.mem) {
      c.wr(o.la(c, bytes, true), bytes, e);
    } else {
      c.r[o.rm] = e;
    }
  }

  private static void insert(MemOp o, Cpu c, int bytes) {
    Sse.enter(c);
    long e = o.mem ? c.rd(o.la(c, bytes, false), bytes) : c.r[o.rm];
    replace(c, o.reg, (int) o.insn.imm & 16 / bytes - 1, 8 * bytes, e);
  }

  private static void replace(Cpu c, int register, int i, int width, long e) {
    int at = 2 * register + (i * width >> 6);
    int shift = i * width & 63;
    long mask = -1L >>> 64 - width;
    c.xmm[at] = c.xmm[at] & ~(mask << shift) | (e & mask) << shift;
  }

  private static void insertSingle(MemOp o, Cpu c) {
    Sse.enter(c);
    int imm = (int) o.insn.imm;
    long e;
    if (o.mem) {
      e = c.rd(o.la(c, 4, false), 4);
    } else {
      long[] v = {c.xmm[2 * o.rm], c.xmm[2 * o.rm + 1]};
      e = PackedShuffles.element(v, imm >> 6 & 3, 32);
    }
    replace(c, o.reg, imm >> 4 & 3, 32, e);
    for (int i = 0; i < 4; i++) {
      if ((imm >> i & 1) != 0) {
        replace(c, o.reg, i, 32, 0);
      }
    }
  }
}
