package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.fp.Num;
import dev.vesper.machine.cpu.fp.SoftFloat;

/**
 * AVX-512 floating point that has no older form: exponents, significands, scaling, rounding to
 * fractions, ranges, classes, table look-up, approximations, bfloat16.
 */
final class Avx512Float {
  /** Computes an element from the destination and two sources; flags go to {@code s}. */
  private interface Element {
    long of(Cpu c, SoftFloat s, long old, long a, long b, int bytes, int imm);
  }

  private Avx512Float() {}

  static void register(Families f) {
    both(f, "vgetexp", Avx512Float::exponent);
    both(f, "vgetmant", Avx512Float::significand);
    both(f, "vscalef", Avx512Float::scale);
    both(f, "vrndscale", Avx512Float::roundScale);
    both(f, "vreduce", Avx512Float::reduce);
    both(f, "vrange", Avx512Float::range);
    both(f, "vfixupimm", Avx512Float::fixUp);
    both(f, "vrcp14", (c, s, old, a, b, bytes, imm) -> approximate(c, b, bytes, false));
    both(f, "vrsqrt14", (c, s, old, a, b, bytes, imm) -> approximate(c, b, bytes, true));
    for (int bytes : new int[] {4, 8}) {
      char t = bytes == 4 ? 's' : 'd';
      f.add("vfpclassp" + t, (o, c) -> classify(o, c, bytes, true));
      f.add("vfpclasss" + t, (o, c) -> classify(o, c, bytes, false));
    }
    f.add("vcvtneps2bf16", Avx512Float::toBrain);
    f.add("vcvtne2ps2bf16", Avx512Float::twoToBrain);
    f.add("vdpbf16ps", Avx512Float::dotBrain);
  }

  private static void both(Families f, String name, Element e) {
    for (int bytes : new int[] {4, 8}) {
      char t = bytes == 4 ? 's' : 'd';
      f.add(name + "p" + t, (o, c) -> packed(o, c, e, bytes));
      f.add(name + "s" + t, (o, c) -> scalar(o, c, e, bytes));
    }
  }

  private static void packed(MemOp o, Cpu c, Element e, int bytes) {
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    long[] a = Vectors.first(o, c);
    long[] old = Vectors.register(c, o.reg, o.quads);
    SoftFloat s = SseArithmetic.soft(c);
    long on = Vectors.active(o, c);
    for (int i = 0; i < 8 * o.quads / bytes; i++) {
      if ((on >>> i & 1) != 0) {
        long z =
            e.of(
                c,
                s,
                SseArithmetic.get(old, i, bytes),
                SseArithmetic.get(a, i, bytes),
                SseArithmetic.get(b, i, bytes),
                bytes,
                (int) o.insn.imm & 0xFF);
        SseArithmetic.set(b, i, bytes, z);
      }
    }
    SseArithmetic.commit(c, s.flags);
    Vectors.put(o, c, b);
  }

  private static void scalar(MemOp o, Cpu c, Element e, int bytes) {
    Vectors.enter(o, c);
    long b = Vectors.scalar(o, c, bytes);
    if ((Vectors.active(o, c) & 1) == 0) {
      Vectors.putScalar(o, c, bytes, 0);
      return;
    }
    long m = bytes == 4 ? 0xFFFF_FFFFL : -1L;
    long a = Vectors.low(c, o.insn.vvvv) & m;
    SoftFloat s = SseArithmetic.soft(c);
    long z = e.of(c, s, Vectors.low(c, o.reg) & m, a, b, bytes, (int) o.insn.imm & 0xFF);
    SseArithmetic.commit(c, s.flags);
    Vectors.putScalar(o, c, bytes, z);
  }

  private static long nan(SoftFloat s, Num n, int bytes) {
    return SseArithmetic.nan(s, n, n, bytes);
  }

  private static long indefinite(SoftFloat s, Num z, int bytes) {
    s.flags |= SoftFloat.IE;
    z.setIndefinite();
    return SseArithmetic.pack(z, bytes);
  }

  private static long exponent(Cpu c, SoftFloat s, long old, long a, long b, int bytes, int imm) {
    Num n = c.na;
    SseArithmetic.unpack(c, n, b, bytes);
    if (n.isNan()) {
      return nan(s, n, bytes);
    }
    Num z = c.nz;
    if (n.kind == Num.INF) {
      z.setInf(false);
    } else if (n.kind == Num.ZERO) {
      z.setInf(true);
    } else {
      s.flags |= n.denormal ? SoftFloat.DE : 0;
      z.fromLong(n.exp);
    }
    return SseArithmetic.pack(z, bytes);
  }

  /** VGETMANT: imm 1:0 the interval, 3:2 the sign: kept, cleared, or negative is invalid. */
  private static long significand(
      Cpu c, SoftFloat s, long old, long a, long b, int bytes, int imm) {
    Num n = c.na;
    SseArithmetic.unpack(c, n, b, bytes);
    if (n.isNan()) {
      return nan(s, n, bytes);
    }
    boolean sign = (imm & 4) == 0 && n.sign;
    if ((imm & 8) != 0 && n.sign && n.kind != Num.ZERO) {
      return indefinite(s, c.nz, bytes);
    }
    int exp = 0;
    long sig = 1L << 63;
    if (n.kind == Num.FINITE) {
      s.flags |= n.denormal ? SoftFloat.DE : 0;
      sig = n.sig;
      exp =
          switch (imm & 3) {
            case 0 -> 0;
            case 1 -> (n.exp & 1) != 0 ? -1 : 0;
            case 2 -> -1;
            default -> n.sig << 1 < 0 ? -1 : 0;
          };
    }
    c.nz.setMagnitude(sign, exp, sig, 0);
    return SseArithmetic.pack(c.nz, bytes);
  }

  /** VSCALEF: a times two to the floor of b. */
  private static long scale(Cpu c, SoftFloat s, long old, long a, long b, int bytes, int imm) {
    Num x = c.na;
    Num y = c.nb;
    SseArithmetic.unpack(c, x, a, bytes);
    SseArithmetic.unpack(c, y, b, bytes);
    Num z = c.nz;
    if (x.isNan() && y.kind == Num.INF && x.kind == Num.QNAN) {
      // An infinite scale hides a quiet NaN.
      if (y.sign) {
        z.setZero(false);
      } else {
        z.setInf(false);
      }
      return SseArithmetic.pack(z, bytes);
    }
    if (x.isNan() || y.isNan()) {
      return SseArithmetic.nan(s, x, y, bytes);
    }
    if (y.kind == Num.INF) {
      if (y.sign ? x.kind == Num.INF : x.kind == Num.ZERO) {
        return indefinite(s, z, bytes);
      }
      s.flags |= x.denormal ? SoftFloat.DE : 0;
      if (y.sign) {
        z.setZero(x.sign);
      } else {
        z.setInf(x.sign);
      }
      return SseArithmetic.pack(z, bytes);
    }
    s.flags |= x.denormal ? SoftFloat.DE : 0;
    z.set(x);
    if (x.kind == Num.FINITE) {
      z.exp += floor(y);
      z.denormal = false;
      s.round(z, SseArithmetic.format(bytes));
    }
    return SseArithmetic.pack(z, bytes);
  }

  private static int floor(Num y) {
    if (y.kind == Num.ZERO) {
      return 0;
    }
    if (y.exp > 16) {
      return y.sign ? -100_000 : 100_000;
    }
    if (y.exp < 0) {
      return y.sign ? -1 : 0;
    }
    long whole = y.sig >>> 63 - y.exp;
    boolean fraction = y.sig << y.exp + 1 != 0;
    return (int) (y.sign ? -whole - (fraction ? 1 : 0) : whole);
  }

  /** Rounds to a multiple of two to the minus imm 7:4; imm 3:0 are those of ROUND. */
  private static void roundTo(SoftFloat s, Num n, int imm) {
    int rounding = s.rounding;
    if ((imm & 4) == 0) {
      s.rounding = imm & 3;
    }
    int before = s.flags;
    if (n.kind == Num.FINITE) {
      n.exp += imm >> 4;
      s.roundToIntegral(n);
      if (n.kind == Num.FINITE) {
        n.exp -= imm >> 4;
      }
    }
    if ((imm & 8) != 0) {
      s.flags = before | s.flags & ~SoftFloat.PE;
    }
    s.rounding = rounding;
  }

  private static long roundScale(Cpu c, SoftFloat s, long old, long a, long b, int bytes, int imm) {
    Num n = c.na;
    SseArithmetic.unpack(c, n, b, bytes);
    if (n.isNan()) {
      return nan(s, n, bytes);
    }
    n.denormal = false;
    roundTo(s, n, imm);
    return SseArithmetic.pack(n, bytes);
  }

  /** VREDUCE: what {@link #roundScale} takes off. */
  private static long reduce(Cpu c, SoftFloat s, long old, long a, long b, int bytes, int imm) {
    Num n = c.na;
    SseArithmetic.unpack(c, n, b, bytes);
    if (n.isNan()) {
      return nan(s, n, bytes);
    }
    Num z = c.nz;
    int chosen = (imm & 4) == 0 ? imm & 3 : s.rounding;
    if (n.kind == Num.INF) {
      z.setZero(false);
      return SseArithmetic.pack(z, bytes);
    }
    n.denormal = false;
    Num whole = c.nb;
    whole.set(n);
    // Only the difference can be inexact.
    roundTo(s, whole, imm | 8);
    int rounding = s.rounding;
    int before = s.flags;
    s.rounding = chosen;
    s.add(n, whole, true, z);
    if (z.kind == Num.ZERO) {
      z.setZero(chosen == 1);
    }
    s.round(z, SseArithmetic.format(bytes));
    s.rounding = rounding;
    int reported = (imm & 8) != 0 ? SoftFloat.IE : SoftFloat.IE | SoftFloat.PE;
    s.flags = before | s.flags & reported;
    return SseArithmetic.pack(z, bytes);
  }

  /** VRANGE: imm 0 maximum, 1 of magnitudes; 3:2 the sign: of a, of the result, clear, set. */
  private static long range(Cpu c, SoftFloat s, long old, long a, long b, int bytes, int imm) {
    Num x = c.na;
    Num y = c.nb;
    SseArithmetic.unpack(c, x, a, bytes);
    SseArithmetic.unpack(c, y, b, bytes);
    boolean signOfFirst = x.sign;
    Num z;
    if (x.kind == Num.SNAN) {
      return nan(s, x, bytes);
    }
    if (y.kind == Num.SNAN) {
      return nan(s, y, bytes);
    }
    if (x.isNan()) {
      z = y.isNan() ? x : y;
    } else if (y.isNan()) {
      z = x;
    } else {
      s.flags |= x.denormal || y.denormal ? SoftFloat.DE : 0;
      boolean magnitudes = (imm & 2) != 0;
      boolean xs = x.sign;
      boolean ys = y.sign;
      if (magnitudes) {
        x.sign = false;
        y.sign = false;
      }
      int r = SoftFloat.compare(x, y);
      x.sign = xs;
      y.sign = ys;
      if (r == 0) {
        // Zeros of different signs, and equal magnitudes, count by their sign.
        r = xs == ys ? 0 : xs ? -1 : 1;
      }
      boolean max = (imm & 1) != 0;
      z = max ? r >= 0 ? x : y : r <= 0 ? x : y;
    }
    z.sign =
        switch (imm >> 2 & 3) {
          case 0 -> signOfFirst;
          case 1 -> z.sign;
          case 2 -> false;
          default -> true;
        };
    return SseArithmetic.pack(z, bytes);
  }

  private static void classify(MemOp o, Cpu c, int bytes, boolean all) {
    Vectors.enter(o, c);
    long[] b = all ? Vectors.second(o, c) : new long[] {Vectors.scalar(o, c, bytes)};
    long on = Vectors.active(o, c);
    int imm = (int) o.insn.imm;
    long z = 0;
    for (int i = 0; i < (all ? 8 * o.quads / bytes : 1); i++) {
      Num n = c.na;
      SseArithmetic.unpack(c, n, SseArithmetic.get(b, i, bytes), bytes);
      int is =
          switch (n.kind) {
            case Num.QNAN -> 1;
            case Num.SNAN -> 0x80;
            case Num.ZERO -> n.sign ? 4 : 2;
            case Num.INF -> n.sign ? 0x10 : 8;
            default -> (n.denormal ? 0x20 : 0) | (n.sign ? 0x40 : 0);
          };
      z |= (is & imm) != 0 ? on & 1L << i : 0;
    }
    c.k[o.reg & 7] = z;
  }

  private static final int TOKEN_ZERO = 2;
  private static final int TOKEN_ONE = 3;

  /** VFIXUPIMM: the class of a chooses a nibble of the table b, which says what takes its place. */
  private static long fixUp(Cpu c, SoftFloat s, long old, long a, long b, int bytes, int imm) {
    Num n = c.na;
    SseArithmetic.unpack(c, n, a, bytes);
    boolean one = n.kind == Num.FINITE && n.exp == 0 && n.sig == 1L << 63 && !n.sign;
    int token =
        switch (n.kind) {
          case Num.QNAN -> 0;
          case Num.SNAN -> 1;
          case Num.ZERO -> TOKEN_ZERO;
          case Num.INF -> n.sign ? 4 : 5;
          default -> one ? TOKEN_ONE : n.sign ? 6 : 7;
        };
    int[] invalid = {0, 0x10, 2, 8, 0x20, 0x80, 0x40, 0};
    s.flags |= (imm & invalid[token]) != 0 ? SoftFloat.IE : 0;
    boolean divides = token == TOKEN_ZERO && (imm & 1) != 0 || token == TOKEN_ONE && (imm & 4) != 0;
    s.flags |= divides ? SoftFloat.ZE : 0;
    Num z = c.nz;
    switch ((int) (b >>> 4 * token) & 15) {
      case 0 -> {
        return old;
      }
      case 1 -> {
        return n.kind == Num.ZERO ? SseArithmetic.pack(n, bytes) : a;
      }
      case 2 -> {
        return quiet(n, a, bytes);
      }
      case 3 -> z.setIndefinite();
      case 4 -> z.setInf(true);
      case 5 -> z.setInf(false);
      case 6 -> z.setInf(n.sign);
      case 7 -> z.setZero(true);
      case 8 -> z.setZero(false);
      case 9 -> z.fromLong(-1);
      case 10 -> z.fromLong(1);
      case 11 -> z.setMagnitude(false, -1, 1L << 63, 0);
      case 12 -> z.fromLong(90);
      case 13 -> {
        return bytes == 4 ? 0x3FC9_0FDBL : 0x3FF9_21FB_5444_2D18L;
      }
      case 14 -> {
        return bytes == 4 ? 0x7F7F_FFFFL : 0x7FEF_FFFF_FFFF_FFFFL;
      }
      default -> {
        return bytes == 4 ? 0xFF7F_FFFFL : 0xFFEF_FFFF_FFFF_FFFFL;
      }
    }
    return SseArithmetic.pack(z, bytes);
  }

  /** {@return a quiet NaN made of the bits of any number} */
  private static long quiet(Num n, long bits, int bytes) {
    if (n.isNan()) {
      return bytes == 4 ? bits | 0x40_0000 : bits | 1L << 51;
    }
    long top = bytes == 4 ? 0x7FC0_0000L : 0x7FF8_0000_0000_0000L;
    return bits | top;
  }

  /** Reciprocals and reciprocal roots to at least 14 bits; no exception is ever reported. */
  private static long approximate(Cpu c, long bits, int bytes, boolean root) {
    Num n = c.na;
    SseArithmetic.unpack(c, n, bits, bytes);
    if (n.isNan()) {
      return quiet(n, bits, bytes);
    }
    Num z = c.nz;
    if (n.kind == Num.ZERO) {
      z.setInf(n.sign);
    } else if (root && n.sign) {
      z.setIndefinite();
    } else if (n.kind == Num.INF) {
      z.setZero(n.sign);
    } else {
      int exp = root ? Math.floorMod(n.exp, 2) : 0;
      double v = Math.scalb((double) (n.sig >>> 11), exp - 52);
      double r = root ? 1 / Math.sqrt(v) : 1 / v;
      z.fromDouble(Double.doubleToRawLongBits(r));
      // Fifteen bits, one more than is promised.
      z.sig = z.sig + (1L << 48) & -1L << 49;
      if (z.sig == 0) {
        z.sig = 1L << 63;
        z.exp++;
      }
      z.exp -= root ? (n.exp - exp) / 2 : n.exp;
      z.sign = n.sign;
      SoftFloat s = c.soft;
      s.rounding = 0;
      s.masks = 0x3F;
      s.flushToZero = (c.mxcsr & 0x8000) != 0;
      int before = s.flags;
      s.round(z, SseArithmetic.format(bytes));
      s.flags = before;
    }
    return SseArithmetic.pack(z, bytes);
  }

  // ---- bfloat16: the upper half of a single; denormals are zero, and no exception is reported

  private static long brain(long single) {
    int v = (int) single;
    int e = v >>> 23 & 0xFF;
    if (e == 0) {
      return v >>> 16 & 0x8000;
    }
    if (e == 0xFF && (v & 0x7F_FFFF) != 0) {
      return v >>> 16 & 0xFFFF | 0x40;
    }
    return v + 0x7FFF + (v >>> 16 & 1) >>> 16 & 0xFFFF;
  }

  private static void toBrain(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    int n = 2 * o.quads;
    long[] b = Vectors.elements(o, c, 8 * o.quads, 4);
    long[] z = new long[Math.max(2, o.quads / 2)];
    for (int i = 0; i < n; i++) {
      PackedShuffles.set(z, i, 16, brain(PackedShuffles.element(b, i, 32)));
    }
    Vectors.put(o, c, o.reg, z, n);
  }

  private static void twoToBrain(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    long[] a = Vectors.first(o, c);
    long[] z = new long[o.quads];
    int n = 2 * o.quads;
    for (int i = 0; i < n; i++) {
      PackedShuffles.set(z, i, 16, brain(PackedShuffles.element(b, i, 32)));
      PackedShuffles.set(z, n + i, 16, brain(PackedShuffles.element(a, i, 32)));
    }
    Vectors.put(o, c, z);
  }

  private static float flushed(float v) {
    return Math.abs(v) < Float.MIN_NORMAL ? Math.copySign(0f, v) : v;
  }

  private static float single(long v, int half) {
    return flushed(Float.intBitsToFloat((int) (v >>> 16 * half & 0xFFFF) << 16));
  }

  private static void dotBrain(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    long[] a = Vectors.first(o, c);
    long[] z = Vectors.register(c, o.reg, o.quads);
    int saved = c.mxcsr;
    // Nearest, denormals are zero on both sides.
    c.mxcsr = 0x9FE0;
    SoftFloat s = SseArithmetic.soft(c);
    for (int i = 0; i < 2 * o.quads; i++) {
      long x = PackedShuffles.element(a, i, 32);
      long y = PackedShuffles.element(b, i, 32);
      long sum = SseArithmetic.get(z, i, 4);
      for (int half = 1; half >= 0; half--) {
        long p = Float.floatToRawIntBits(single(x, half)) & 0xFFFF_FFFFL;
        long q = Float.floatToRawIntBits(single(y, half)) & 0xFFFF_FFFFL;
        sum = Fma.element(c, s, p, q, sum, 0, 4);
      }
      SseArithmetic.set(z, i, 4, sum);
    }
    c.mxcsr = saved;
    Vectors.put(o, c, z);
  }
}
