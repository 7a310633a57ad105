package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.fp.Num;
import dev.vesper.machine.cpu.fp.SoftFloat;

/**
 * FMA3: products and sums with one rounding. The digits of the mnemonic say which operands, counted
 * from the destination, are multiplied (the first two digits) and which is added (the third).
 */
final class Fma {
  private static final int ALTERNATE = 4;

  private Fma() {}

  static void register(Families f) {
    // Bit 0 negates the addend, bit 1 the product; alternating ones begin with the named operation
    // on odd elements.
    String[] names = {"fmadd", "fmsub", "fnmadd", "fnmsub", "fmaddsub", "fmsubadd"};
    for (int kind = 0; kind < names.length; kind++) {
      for (String order : new String[] {"132", "213", "231"}) {
        int k = kind;
        String m = "v" + names[kind] + order;
        f.add(m + "ps", (o, c) -> packed(o, c, order, k, 4));
        f.add(m + "pd", (o, c) -> packed(o, c, order, k, 8));
        if (kind < ALTERNATE) {
          f.add(m + "ss", (o, c) -> scalar(o, c, order, k, 4));
          f.add(m + "sd", (o, c) -> scalar(o, c, order, k, 8));
        }
      }
    }
  }

  private static void packed(MemOp o, Cpu c, String order, int kind, int bytes) {
    Vectors.enter(o, c);
    long[] third = Vectors.second(o, c);
    long[] second = Vectors.first(o, c);
    long[] first = Vectors.register(c, o.reg, o.quads);
    SoftFloat s = SseArithmetic.soft(c);
    long on = Vectors.active(o, c);
    for (int i = 0; i < 8 * o.quads / bytes; i++) {
      if ((on >>> i & 1) == 0) {
        continue;
      }
      int signs = kind < ALTERNATE ? kind : (i & 1) ^ 1 ^ kind - ALTERNATE;
      long z =
          ordered(
              c,
              s,
              order,
              SseArithmetic.get(first, i, bytes),
              SseArithmetic.get(second, i, bytes),
              SseArithmetic.get(third, i, bytes),
              signs,
              bytes);
      SseArithmetic.set(third, i, bytes, z);
    }
    SseArithmetic.commit(c, s.flags);
    Vectors.put(o, c, third);
  }

  private static void scalar(MemOp o, Cpu c, String order, int kind, int bytes) {
    Vectors.enter(o, c);
    long m = bytes == 4 ? 0xFFFF_FFFFL : -1L;
    long third = Vectors.scalar(o, c, bytes);
    long second = Vectors.low(c, o.insn.vvvv) & m;
    long[] v = Vectors.register(c, o.reg, 2);
    if ((Vectors.active(o, c) & 1) == 0) {
      v[0] = o.insn.zeroing ? v[0] & ~m : v[0];
      Vectors.putAll(o, c, o.reg, v);
      return;
    }
    SoftFloat s = SseArithmetic.soft(c);
    long z = ordered(c, s, order, v[0] & m, second, third, kind, bytes);
    SseArithmetic.commit(c, s.flags);
    v[0] = v[0] & ~m | z & m;
    Vectors.putAll(o, c, o.reg, v);
  }

  private static long ordered(
      Cpu c, SoftFloat s, String order, long first, long second, long third, int signs, int bytes) {
    return switch (order) {
      case "132" -> element(c, s, first, third, second, signs, bytes);
      case "213" -> element(c, s, second, first, third, signs, bytes);
      default -> element(c, s, second, third, first, signs, bytes);
    };
  }

  /** {@return x * y + z with signs changed as asked for} */
  static long element(Cpu c, SoftFloat s, long x, long y, long z, int signs, int bytes) {
    if (SseArithmetic.simple(c)) {
      long sign = bytes == 8 ? 1L << 63 : 1L << 31;
      long p = (signs & 2) != 0 ? x ^ sign : x;
      long a = (signs & 1) != 0 ? z ^ sign : z;
      if (bytes == 8) {
        double r = Math.fma(d(p), d(y), d(a));
        if (SseArithmetic.ordinaryDouble(r)
            && SseArithmetic.ordinaryDouble(d(p))
            && SseArithmetic.ordinaryDouble(d(y))
            && SseArithmetic.ordinaryDouble(d(a))) {
          return Double.doubleToRawLongBits(r);
        }
      } else {
        float r = Math.fma(f(p), f(y), f(a));
        if (SseArithmetic.ordinaryFloat(r)
            && SseArithmetic.ordinaryFloat(f(p))
            && SseArithmetic.ordinaryFloat(f(y))
            && SseArithmetic.ordinaryFloat(f(a))) {
          return Float.floatToRawIntBits(r) & 0xFFFF_FFFFL;
        }
      }
    }
    Num a = c.na;
    Num b = c.nb;
    Num d = c.nc;
    SseArithmetic.unpack(c, a, x, bytes);
    SseArithmetic.unpack(c, b, y, bytes);
    SseArithmetic.unpack(c, d, z, bytes);
    if (a.isNan() || b.isNan() || d.isNan()) {
      return nan(s, a, b, d, bytes);
    }
    int before = s.flags;
    s.flags = 0;
    a.sign ^= (signs & 2) != 0;
    d.sign ^= (signs & 1) != 0;
    boolean denormal = a.denormal || b.denormal || d.denormal;
    Num r = c.nz;
    s.fma(a, b, d, r);
    if (denormal && (s.flags & SoftFloat.IE) == 0) {
      s.flags |= SoftFloat.DE;
    }
    r.denormal = false;
    s.round(r, SseArithmetic.format(bytes));
    s.flags |= before;
    return SseArithmetic.pack(r, bytes);
  }

  private static double d(long bits) {
    return Double.longBitsToDouble(bits);
  }

  private static float f(long bits) {
    return Float.intBitsToFloat((int) bits);
  }

  private static long nan(SoftFloat s, Num a, Num b, Num d, int bytes) {
    if (d.kind == Num.SNAN) {
      s.flags |= SoftFloat.IE;
    }
    if (a.isNan() || b.isNan()) {
      return SseArithmetic.nan(s, a, b, bytes);
    }
    return SseArithmetic.nan(s, d, d, bytes);
  }
}
