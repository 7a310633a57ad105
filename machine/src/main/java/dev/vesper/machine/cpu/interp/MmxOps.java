package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import java.util.function.LongBinaryOperator;

/** Packed integers in MMX and XMM registers: most operations work on each quadword alone. */
final class MmxOps {
  private MmxOps() {}

  /** Checks that MMX instructions may run. */
  static void enter(Cpu c) {
    if ((c.cr0 & CpuState.CR0_EM) != 0) {
      c.ud();
    }
    if ((c.cr0 & CpuState.CR0_TS) != 0) {
      c.fault(7, -1);
    }
    X87.pending(c);
  }

  /** MMX instructions mark every register valid and point TOP at register 0. */
  static void touch(Cpu c) {
    c.ftop = 0;
    c.fvalid = 0xFF;
  }

  static void put(Cpu c, int i, long v) {
    touch(c);
    c.fpMant[i] = v;
    c.fpExp[i] = 0xFFFF;
  }

  /** {@return an MMX r/m operand} */
  static long mmx(MemOp o, Cpu c, int bytes) {
    return o.mem ? c.rd(o.la(c, bytes, false), bytes) : c.fpMant[o.rm & 7];
  }

  static void register(Families f) {
    lanes(
        f,
        "paddb",
        (a, b) ->
            (a & 0x7F7F7F7F7F7F7F7FL) + (b & 0x7F7F7F7F7F7F7F7FL) ^ (a ^ b) & 0x8080808080808080L);
    lanes(
        f,
        "paddw",
        (a, b) ->
            (a & 0x7FFF7FFF7FFF7FFFL) + (b & 0x7FFF7FFF7FFF7FFFL) ^ (a ^ b) & 0x8000800080008000L);
    lanes(f, "paddd", (a, b) -> each(a, b, 32, (x, y) -> x + y));
    lanes(f, "paddq", (a, b) -> a + b);
    lanes(
        f,
        "psubb",
        (a, b) ->
            (a | 0x8080808080808080L) - (b & 0x7F7F7F7F7F7F7F7FL) ^ (a ^ ~b) & 0x8080808080808080L);
    lanes(
        f,
        "psubw",
        (a, b) ->
            (a | 0x8000800080008000L) - (b & 0x7FFF7FFF7FFF7FFFL) ^ (a ^ ~b) & 0x8000800080008000L);
    lanes(f, "psubd", (a, b) -> each(a, b, 32, (x, y) -> x - y));
    lanes(f, "psubq", (a, b) -> a - b);
    lanes(f, "pand", (a, b) -> a & b);
    lanes(f, "pandd", (a, b) -> a & b);
    lanes(f, "pandq", (a, b) -> a & b);
    lanes(f, "pandn", (a, b) -> ~a & b);
    lanes(f, "pandnd", (a, b) -> ~a & b);
    lanes(f, "pandnq", (a, b) -> ~a & b);
    lanes(f, "por", (a, b) -> a | b);
    lanes(f, "pord", (a, b) -> a | b);
    lanes(f, "porq", (a, b) -> a | b);
    lanes(f, "pxor", (a, b) -> a ^ b);
    lanes(f, "pxord", (a, b) -> a ^ b);
    lanes(f, "pxorq", (a, b) -> a ^ b);
    lanes(f, "pcmpeqb", (a, b) -> equal(a, b, 8));
    lanes(f, "pcmpeqw", (a, b) -> equal(a, b, 16));
    lanes(f, "pcmpeqd", (a, b) -> equal(a, b, 32));
    lanes(f, "pcmpgtb", (a, b) -> each(a, b, 8, (x, y) -> x > y ? -1 : 0));
    lanes(f, "pcmpgtw", (a, b) -> each(a, b, 16, (x, y) -> x > y ? -1 : 0));
    lanes(f, "pcmpgtd", (a, b) -> each(a, b, 32, (x, y) -> x > y ? -1 : 0));
    lanes(f, "paddsb", (a, b) -> each(a, b, 8, (x, y) -> clamp(x + y, -128, 127)));
    lanes(f, "paddsw", (a, b) -> each(a, b, 16, (x, y) -> clamp(x + y, -32768, 32767)));
    lanes(f, "psubsb", (a, b) -> each(a, b, 8, (x, y) -> clamp(x - y, -128, 127)));
    lanes(f, "psubsw", (a, b) -> each(a, b, 16, (x, y) -> clamp(x - y, -32768, 32767)));
    lanes(f, "paddusb", (a, b) -> each(a, b, 8, (x, y) -> clamp((x & 0xFF) + (y & 0xFF), 0, 255)));
    lanes(
        f,
        "paddusw",
        (a, b) -> each(a, b, 16, (x, y) -> clamp((x & 0xFFFF) + (y & 0xFFFF), 0, 65535)));
    lanes(f, "psubusb", (a, b) -> each(a, b, 8, (x, y) -> clamp((x & 0xFF) - (y & 0xFF), 0, 255)));
    lanes(
        f,
        "psubusw",
        (a, b) -> each(a, b, 16, (x, y) -> clamp((x & 0xFFFF) - (y & 0xFFFF), 0, 65535)));
    lanes(f, "pminub", (a, b) -> each(a, b, 8, (x, y) -> Math.min(x & 0xFF, y & 0xFF)));
    lanes(f, "pmaxub", (a, b) -> each(a, b, 8, (x, y) -> Math.max(x & 0xFF, y & 0xFF)));
    lanes(f, "pminsw", (a, b) -> each(a, b, 16, Math::min));
    lanes(f, "pmaxsw", (a, b) -> each(a, b, 16, Math::max));
    lanes(f, "pavgb", (a, b) -> each(a, b, 8, (x, y) -> (x & 0xFF) + (y & 0xFF) + 1 >> 1));
    lanes(f, "pavgw", (a, b) -> each(a, b, 16, (x, y) -> (x & 0xFFFF) + (y & 0xFFFF) + 1 >> 1));
    lanes(f, "pmullw", (a, b) -> each(a, b, 16, (x, y) -> x * y));
    lanes(f, "pmulhw", (a, b) -> each(a, b, 16, (x, y) -> x * y >> 16));
    lanes(f, "pmulhuw", (a, b) -> each(a, b, 16, (x, y) -> (x & 0xFFFF) * (y & 0xFFFF) >> 16));
    lanes(f, "pmuludq", (a, b) -> (a & 0xFFFF_FFFFL) * (b & 0xFFFF_FFFFL));
    lanes(f, "pmaddwd", MmxOps::multiplyAdd);
    lanes(f, "psadbw", MmxOps::sumOfDifferences);
    shift(f, "psllw", 16, 0);
    shift(f, "pslld", 32, 0);
    shift(f, "psllq", 64, 0);
    shift(f, "psrlw", 16, 1);
    shift(f, "psrld", 32, 1);
    shift(f, "psrlq", 64, 1);
    shift(f, "psraw", 16, 2);
    shift(f, "psrad", 32, 2);
    shift(f, "psraq", 64, 2);
    PackedShuffles.register(f);
  }

  private static long clamp(long v, long low, long high) {
    return Math.max(low, Math.min(high, v));
  }

  /** Applies an operation to sign-extended elements. */
  static long each(long a, long b, int width, LongBinaryOperator op) {
    long z = 0;
    long m = -1L >>> 64 - width;
    int s = 64 - width;
    for (int i = 0; i < 64; i += width) {
      z |= (op.applyAsLong(a >>> i << s >> s, b >>> i << s >> s) & m) << i;
    }
    return z;
  }

  private static long equal(long a, long b, int width) {
    long z = 0;
    long x = a ^ b;
    long m = -1L >>> 64 - width;
    for (int i = 0; i < 64; i += width) {
      if ((x >>> i & m) == 0) {
        z |= m << i;
      }
    }
    return z;
  }

  private static long multiplyAdd(long a, long b) {
    long low = (short) a * (long) (short) b + (short) (a >> 16) * (long) (short) (b >> 16);
    long high =
        (short) (a >> 32) * (long) (short) (b >> 32) + (short) (a >> 48) * (long) (short) (b >> 48);
    return low & 0xFFFF_FFFFL | high << 32;
  }

  private static long sumOfDifferences(long a, long b) {
    long sum = 0;
    for (int i = 0; i < 64; i += 8) {
      sum += Math.abs((a >>> i & 0xFF) - (b >>> i & 0xFF));
    }
    return sum;
  }

  /** Registers an operation on each quadword of MMX, XMM and YMM registers. */
  static void lanes(Families f, String name, LongBinaryOperator op) {
    f.both(
        name,
        (o, c) -> {
          if (o.quads != 0) {
            Vectors.enter(o, c);
            long[] b = Vectors.second(o, c);
            long[] a = Vectors.first(o, c);
            for (int i = 0; i < b.length; i++) {
              b[i] = op.applyAsLong(a[i], b[i]);
            }
            Vectors.put(o, c, b);
          } else {
            enter(c);
            long b = mmx(o, c, 8);
            int d = o.reg & 7;
            put(c, d, op.applyAsLong(c.fpMant[d], b));
          }
        });
  }

  private static long shifted(long v, int width, long count, int kind) {
    boolean over = Long.compareUnsigned(count, width) >= 0;
    if (over && kind != 2) {
      return 0;
    }
    int n = over ? width - 1 : (int) count;
    return each(
        v,
        0,
        width,
        (x, y) -> kind == 0 ? x << n : kind == 2 ? x >> n : (x & -1L >>> 64 - width) >>> n);
  }

  /** Shifts by an immediate or by the low quadword of the r/m operand, one count for all. */
  private static void shift(Families f, String name, int width, int kind) {
    f.both(
        name,
        (o, c) -> {
          boolean immediate = !o.insn.form().immediates().isEmpty();
          if (o.quads != 0) {
            Vectors.enter(o, c);
            long n = immediate ? o.insn.imm & 0xFF : Vectors.source(o, c, 16)[0];
            long[] v = immediate ? Vectors.second(o, c) : Vectors.first(o, c);
            for (int i = 0; i < v.length; i++) {
              v[i] = shifted(v[i], width, n, kind);
            }
            Vectors.put(o, c, immediate ? shiftTarget(o) : o.reg, v);
          } else {
            enter(c);
            long n = immediate ? o.insn.imm & 0xFF : mmx(o, c, 8);
            int d = (immediate ? o.rm : o.reg) & 7;
            put(c, d, shifted(c.fpMant[d], width, n, kind));
          }
        });
  }

  /** {@return the destination of a shift by an immediate: VEX.vvvv, or the r/m operand} */
  static int shiftTarget(MemOp o) {
    return o.insn.vex ? o.insn.vvvv : o.rm;
  }
}
