package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.fp.Num;
import dev.vesper.machine.cpu.fp.Reciprocals;
import dev.vesper.machine.cpu.fp.SoftFloat;

/**
 * Floating point of SSE and AVX. An instruction computes all its elements, then either raises #XM
 * with MXCSR updated and the destination untouched, or commits both.
 */
final class SseArithmetic {
  /** MXCSR.MM: packed operands in memory may lie at any address. */
  static final int MXCSR_MM = 0x2_0000;

  /** {@return the bits of MXCSR that can be set} */
  static int mxcsrMask(Cpu c) {
    return c.features.has("misalignsse") ? 0xFFFF | MXCSR_MM : 0xFFFF;
  }

  private static final int ADD = 0;
  private static final int SUB = 1;
  private static final int MUL = 2;
  private static final int DIV = 3;
  private static final int MIN = 4;
  private static final int MAX = 5;
  private static final int SQRT = 6;

  private SseArithmetic() {}

  static void register(Families f) {
    String[] ops = {"add", "sub", "mul", "div", "min", "max", "sqrt"};
    for (int i = 0; i < ops.length; i++) {
      int op = i;
      f.both(ops[i] + "ps", (o, c) -> packed(o, c, op, 4));
      f.both(ops[i] + "pd", (o, c) -> packed(o, c, op, 8));
      f.both(ops[i] + "ss", (o, c) -> scalar(o, c, op, 4));
      f.both(ops[i] + "sd", (o, c) -> scalar(o, c, op, 8));
    }
    f.both("cmpps", (o, c) -> compare(o, c, 4, true));
    f.both("cmppd", (o, c) -> compare(o, c, 8, true));
    f.both("cmpss", (o, c) -> compare(o, c, 4, false));
    f.both("cmpsd", (o, c) -> compare(o, c, 8, false));
    f.both("ucomiss", (o, c) -> comi(o, c, 4, true));
    f.both("ucomisd", (o, c) -> comi(o, c, 8, true));
    f.both("comiss", (o, c) -> comi(o, c, 4, false));
    f.both("comisd", (o, c) -> comi(o, c, 8, false));
    f.both("haddps", (o, c) -> horizontal(o, c, 4, ADD));
    f.both("haddpd", (o, c) -> horizontal(o, c, 8, ADD));
    f.both("hsubps", (o, c) -> horizontal(o, c, 4, SUB));
    f.both("hsubpd", (o, c) -> horizontal(o, c, 8, SUB));
    f.both("addsubps", (o, c) -> alternate(o, c, 4));
    f.both("addsubpd", (o, c) -> alternate(o, c, 8));
    f.both("rcpps", (o, c) -> approximate(o, c, true, false));
    f.both("rcpss", (o, c) -> approximate(o, c, false, false));
    f.both("rsqrtps", (o, c) -> approximate(o, c, true, true));
    f.both("rsqrtss", (o, c) -> approximate(o, c, false, true));
    f.both("roundps", (o, c) -> roundElements(o, c, 4, true));
    f.both("roundpd", (o, c) -> roundElements(o, c, 8, true));
    f.both("roundss", (o, c) -> roundElements(o, c, 4, false));
    f.both("roundsd", (o, c) -> roundElements(o, c, 8, false));
    f.both("dpps", (o, c) -> dotProduct(o, c, 4));
    f.both("dppd", (o, c) -> dotProduct(o, c, 8));
    SseConversions.register(f);
  }

  /** Prepares the arithmetic for MXCSR. */
  static SoftFloat soft(Cpu c) {
    SoftFloat s = c.soft;
    s.flags = 0;
    s.rounding = c.mxcsr >> 13 & 3;
    s.masks = c.mxcsr >> 7 & 0x3F;
    s.flushToZero = (c.mxcsr & 0x8000) != 0;
    s.scaleUnmasked = false;
    return s;
  }

  /** Unpacks an element, treating denormals as zero if MXCSR.DAZ says so. */
  static void unpack(Cpu c, Num n, long bits, int bytes) {
    if (bytes == 4) {
      n.fromFloat((int) bits);
    } else {
      n.fromDouble(bits);
    }
    if (n.denormal && (c.mxcsr & 0x40) != 0) {
      n.setZero(n.sign);
    }
  }

  static long pack(Num n, int bytes) {
    return bytes == 4 ? n.toFloat() & 0xFFFF_FFFFL : n.toDouble();
  }

  static SoftFloat.Format format(int bytes) {
    return bytes == 4 ? SoftFloat.SINGLE : SoftFloat.DOUBLE;
  }

  /** Merges exceptions into MXCSR and raises #XM for an unmasked one. */
  static void commit(Cpu c, int flags) {
    int masks = c.mxcsr >> 7 & 0x3F;
    int unmasked = flags & ~masks;
    if (unmasked == 0) {
      c.mxcsr |= flags;
      return;
    }
    // An exception found before the computation keeps the later ones from being looked for.
    int report = (unmasked & 7) != 0 ? flags & 7 : flags;
    c.mxcsr |= report;
    if ((c.cr4 & CpuState.CR4_OSXMMEXCPT) == 0) {
      c.ud();
    }
    c.fault(19, -1);
  }

  /** {@return whether plain Java arithmetic gives the same result and no new exception} */
  static boolean simple(Cpu c) {
    // Nearest rounding, everything masked, PE already sticky, no DAZ or FTZ.
    return (c.mxcsr & 0xFFE0) == 0x1FA0;
  }

  static boolean ordinaryDouble(double v) {
    double a = Math.abs(v);
    return a >= Double.MIN_NORMAL && a <= Double.MAX_VALUE;
  }

  static boolean ordinaryFloat(float v) {
    float a = Math.abs(v);
    return a >= Float.MIN_NORMAL && a <= Float.MAX_VALUE;
  }

  /** One element of an arithmetic operation; exceptions go to {@code s.flags}. */
  static long element(Cpu c, SoftFloat s, int op, long x, long y, int bytes) {
    if (op <= SQRT && op != MIN && op != MAX && simple(c)) {
      if (bytes == 8) {
        double a = Double.longBitsToDouble(x);
        double b = Double.longBitsToDouble(y);
        if (ordinaryDouble(b) && (op == SQRT || ordinaryDouble(a))) {
          double z =
              switch (op) {
                case ADD -> a + b;
                case SUB -> a - b;
                case MUL -> a * b;
                case DIV -> a / b;
                default -> Math.sqrt(b);
              };
          if (ordinaryDouble(z)) {
            return Double.doubleToRawLongBits(z);
          }
        }
      } else {
        float a = Float.intBitsToFloat((int) x);
        float b = Float.intBitsToFloat((int) y);
        if (ordinaryFloat(b) && (op == SQRT || ordinaryFloat(a))) {
          float z =
              switch (op) {
                case ADD -> a + b;
                case SUB -> a - b;
                case MUL -> a * b;
                case DIV -> a / b;
                default -> (float) Math.sqrt(b);
              };
          if (ordinaryFloat(z)) {
            return Float.floatToRawIntBits(z) & 0xFFFF_FFFFL;
          }
        }
      }
    }
    Num a = c.na;
    Num b = c.nb;
    Num z = c.nz;
    unpack(c, a, x, bytes);
    unpack(c, b, y, bytes);
    if (op == SQRT) {
      a.set(b);
    }
    if (op == MIN || op == MAX) {
      return minMax(s, op, a, b, bytes);
    }
    if (a.isNan() || b.isNan()) {
      return nan(s, a, b, bytes);
    }
    int before = s.flags;
    s.flags = 0;
    switch (op) {
      case ADD -> s.add(a, b, false, z);
      case SUB -> s.add(a, b, true, z);
      case MUL -> s.mul(a, b, z);
      case DIV -> s.div(a, b, z);
      default -> s.sqrt(b, z);
    }
    if ((a.denormal || b.denormal) && (s.flags & (SoftFloat.IE | SoftFloat.ZE)) == 0) {
      s.flags |= SoftFloat.DE;
    }
    z.denormal = false;
    s.round(z, format(bytes));
    s.flags |= before;
    return pack(z, bytes);
  }

  /** {@return the quiet NaN that an operation on NaNs gives: the first operand's if it is one} */
  static long nan(SoftFloat s, Num a, Num b, int bytes) {
    if (a.kind == Num.SNAN || b.kind == Num.SNAN) {
      s.flags |= SoftFloat.IE;
    }
    Num n = a.isNan() ? a : b;
    n.kind = Num.QNAN;
    n.sig |= 1L << 62;
    return pack(n, bytes);
  }

  private static long minMax(SoftFloat s, int op, Num a, Num b, int bytes) {
    if (a.isNan() || b.isNan()) {
      s.flags |= SoftFloat.IE;
      return pack(b, bytes);
    }
    if (a.denormal || b.denormal) {
      s.flags |= SoftFloat.DE;
    }
    int r = SoftFloat.compare(a, b);
    return pack(op == MIN ? r < 0 ? a : b : r > 0 ? a : b, bytes);
  }

  static long get(long[] v, int i, int bytes) {
    return bytes == 8 ? v[i] : v[i >> 1] >>> 32 * (i & 1) & 0xFFFF_FFFFL;
  }

  static void set(long[] v, int i, int bytes, long e) {
    if (bytes == 8) {
      v[i] = e;
    } else {
      v[i >> 1] =
          (i & 1) == 0
              ? v[i >> 1] & ~0xFFFF_FFFFL | e & 0xFFFF_FFFFL
              : v[i >> 1] & 0xFFFF_FFFFL | e << 32;
    }
  }

  private static void packed(MemOp o, Cpu c, int op, int bytes) {
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    long[] a = Vectors.first(o, c);
    SoftFloat s = soft(c);
    long on = Vectors.active(o, c);
    for (int i = 0; i < 8 * b.length / bytes; i++) {
      if ((on >>> i & 1) != 0) {
        set(b, i, bytes, element(c, s, op, get(a, i, bytes), get(b, i, bytes), bytes));
      }
    }
    commit(c, s.flags);
    Vectors.put(o, c, b);
  }

  private static void scalar(MemOp o, Cpu c, int op, int bytes) {
    Vectors.enter(o, c);
    long b = Vectors.scalar(o, c, bytes);
    SoftFloat s = soft(c);
    if ((Vectors.active(o, c) & 1) == 0) {
      Vectors.putScalar(o, c, bytes, 0);
      return;
    }
    long a = Vectors.low(c, Vectors.firstRegister(o));
    long z = element(c, s, op, bytes == 4 ? a & 0xFFFF_FFFFL : a, b, bytes);
    commit(c, s.flags);
    Vectors.putScalar(o, c, bytes, z);
  }

  private static void horizontal(MemOp o, Cpu c, int bytes, int op) {
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    long[] a = Vectors.first(o, c);
    long[] z = new long[b.length];
    SoftFloat s = soft(c);
    int n = 16 / bytes;
    for (int i = 0; i < 8 * b.length / bytes; i++) {
      int lane = i / n;
      int at = i % n;
      long[] from = at >= n / 2 ? b : a;
      int k = lane * n + 2 * (at % (n / 2));
      set(z, i, bytes, element(c, s, op, get(from, k, bytes), get(from, k + 1, bytes), bytes));
    }
    commit(c, s.flags);
    Vectors.put(o, c, z);
  }

  private static void alternate(MemOp o, Cpu c, int bytes) {
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    long[] a = Vectors.first(o, c);
    SoftFloat s = soft(c);
    for (int i = 0; i < 8 * b.length / bytes; i++) {
      int op = (i & 1) == 0 ? SUB : ADD;
      set(b, i, bytes, element(c, s, op, get(a, i, bytes), get(b, i, bytes), bytes));
    }
    commit(c, s.flags);
    Vectors.put(o, c, b);
  }

  /**
   * {@return whether a comparison holds}
   *
   * @param p the predicate, 0 to 31: bits 1:0 and 2 are those of SSE; bit 3 changes the answer for
   *     unordered operands, bit 4 whether quiet NaNs signal
   */
  private static boolean predicate(Cpu c, SoftFloat s, int p, long x, long y, int bytes) {
    Num a = c.na;
    Num b = c.nb;
    unpack(c, a, x, bytes);
    unpack(c, b, y, bytes);
    boolean unordered = a.isNan() || b.isNan();
    int r = 0;
    if (unordered) {
      boolean signaling = ((p & 3) == 1 || (p & 3) == 2) ^ (p & 16) != 0;
      if (signaling || a.kind == Num.SNAN || b.kind == Num.SNAN) {
        s.flags |= SoftFloat.IE;
      }
    } else {
      if (a.denormal || b.denormal) {
        s.flags |= SoftFloat.DE;
      }
      r = SoftFloat.compare(a, b);
    }
    boolean v =
        switch (p & 3) {
          case 0 -> !unordered && r == 0;
          case 1 -> !unordered && r < 0;
          case 2 -> !unordered && r <= 0;
          default -> unordered && (p & 8) == 0;
        };
    boolean other = unordered && (p & 8) != 0 && (p & 3) != 3;
    return v ^ other ^ (p & 4) != 0;
  }

  private static void compare(MemOp o, Cpu c, int bytes, boolean all) {
    Vectors.enter(o, c);
    int p = (int) o.insn.imm & (o.insn.vex ? 31 : 7);
    long[] b = all ? Vectors.second(o, c) : new long[] {Vectors.scalar(o, c, bytes)};
    long[] a = all ? Vectors.first(o, c) : new long[] {Vectors.low(c, Vectors.firstRegister(o))};
    SoftFloat s = soft(c);
    long on = Vectors.active(o, c);
    long mask = 0;
    for (int i = 0; i < (all ? 8 * b.length / bytes : 1); i++) {
      if ((on >>> i & 1) != 0) {
        boolean v = predicate(c, s, p, get(a, i, bytes), get(b, i, bytes), bytes);
        mask |= v ? 1L << i : 0;
        set(b, i, bytes, v ? -1 : 0);
      }
    }
    commit(c, s.flags);
    if (o.insn.evex) {
      c.k[o.reg] = mask;
    } else {
      finish(o, c, b, bytes, all);
    }
  }

  private static void comi(MemOp o, Cpu c, int bytes, boolean quiet) {
    Vectors.enter(o, c);
    long y = Vectors.scalar(o, c, bytes);
    SoftFloat s = soft(c);
    Num a = c.na;
    Num b = c.nb;
    long x = Vectors.low(c, o.reg);
    unpack(c, a, bytes == 4 ? x & 0xFFFF_FFFFL : x, bytes);
    unpack(c, b, y, bytes);
    int f;
    if (a.isNan() || b.isNan()) {
      if (!quiet || a.kind == Num.SNAN || b.kind == Num.SNAN) {
        s.flags |= SoftFloat.IE;
      }
      f = CpuState.ZF | CpuState.PF | CpuState.CF;
    } else {
      if (a.denormal || b.denormal) {
        s.flags |= SoftFloat.DE;
      }
      int r = SoftFloat.compare(a, b);
      f = r == 0 ? CpuState.ZF : r < 0 ? CpuState.CF : 0;
    }
    commit(c, s.flags);
    c.setArith(f);
  }

  /** ROUNDxx: imm 1:0 rounding, 2 rounding of MXCSR instead, 3 no precision exception. */
  private static void roundElements(MemOp o, Cpu c, int bytes, boolean all) {
    Vectors.enter(o, c);
    long[] b = all ? Vectors.second(o, c) : new long[] {Vectors.scalar(o, c, bytes)};
    int imm = (int) o.insn.imm;
    SoftFloat s = soft(c);
    if ((imm & 4) == 0) {
      s.rounding = imm & 3;
    }
    for (int i = 0; i < (all ? 8 * b.length / bytes : 1); i++) {
      Num n = c.na;
      unpack(c, n, get(b, i, bytes), bytes);
      if (n.isNan()) {
        set(b, i, bytes, nan(s, n, n, bytes));
      } else {
        s.roundToIntegral(n);
        set(b, i, bytes, pack(n, bytes));
      }
    }
    commit(c, (imm & 8) != 0 ? s.flags & ~SoftFloat.PE : s.flags);
    finish(o, c, b, bytes, all);
  }

  /** Writes all elements, or one of them into the first source. */
  private static void finish(MemOp o, Cpu c, long[] z, int bytes, boolean all) {
    if (all) {
      Vectors.put(o, c, z);
    } else {
      Vectors.putScalar(o, c, bytes, get(z, 0, bytes));
    }
  }

  /** DPPS and DPPD: imm chooses the products above, the destinations below; sums go pairwise. */
  private static void dotProduct(MemOp o, Cpu c, int bytes) {
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    long[] a = Vectors.first(o, c);
    int imm = (int) o.insn.imm;
    int n = 16 / bytes;
    int all = 8 * b.length / bytes;
    SoftFloat s = soft(c);
    long[] sums = new long[all];
    for (int i = 0; i < all; i++) {
      if ((imm >> 4 + i % n & 1) != 0) {
        sums[i] = element(c, s, MUL, get(a, i, bytes), get(b, i, bytes), bytes);
      }
    }
    // A product that traps keeps the sums from being formed.
    if ((s.flags & ~s.masks) != 0) {
      commit(c, s.flags);
    }
    for (int step = 1; step < n; step *= 2) {
      for (int i = 0; i < all; i += 2 * step) {
        sums[i] = element(c, s, ADD, sums[i], sums[i + step], bytes);
      }
    }
    commit(c, s.flags);
    for (int i = 0; i < all; i++) {
      set(b, i, bytes, (imm >> i % n & 1) != 0 ? sums[i / n * n] : 0);
    }
    Vectors.put(o, c, b);
  }

  private static void approximate(MemOp o, Cpu c, boolean all, boolean root) {
    Vectors.enter(o, c);
    long[] b = all ? Vectors.second(o, c) : new long[] {Vectors.scalar(o, c, 4)};
    for (int i = 0; i < (all ? 2 * b.length : 1); i++) {
      int x = (int) get(b, i, 4);
      set(b, i, 4, root ? Reciprocals.reciprocalRoot(x) : Reciprocals.reciprocal(x));
    }
    finish(o, c, b, 4, all);
  }
}
