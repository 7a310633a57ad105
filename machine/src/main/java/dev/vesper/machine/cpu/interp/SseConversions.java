package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.fp.Num;
import dev.vesper.machine.cpu.fp.SoftFloat;

/** Conversions between integers, singles and doubles. */
final class SseConversions {
  private SseConversions() {}

  static void register(Families f) {
    f.both("cvtsi2ss", (o, c) -> fromInteger(o, c, 4));
    f.both("cvtsi2sd", (o, c) -> fromInteger(o, c, 8));
    f.both("cvtss2si", (o, c) -> toInteger(o, c, 4, false));
    f.both("cvtsd2si", (o, c) -> toInteger(o, c, 8, false));
    f.both("cvttss2si", (o, c) -> toInteger(o, c, 4, true));
    f.both("cvttsd2si", (o, c) -> toInteger(o, c, 8, true));
    f.both("cvtss2sd", (o, c) -> scalar(o, c, 4));
    f.both("cvtsd2ss", (o, c) -> scalar(o, c, 8));
    f.both("cvtps2pd", (o, c) -> elements(o, c, 32, 64, (p, s, e) -> convert(p, s, e, 4)));
    f.both("cvtpd2ps", (o, c) -> elements(o, c, 64, 32, (p, s, e) -> convert(p, s, e, 8)));
    f.both("cvtdq2ps", (o, c) -> elements(o, c, 32, 32, (p, s, e) -> integer(p, s, (int) e, 4)));
    f.both("cvtdq2pd", (o, c) -> elements(o, c, 32, 64, (p, s, e) -> integer(p, s, (int) e, 8)));
    f.both("cvtps2dq", (o, c) -> elements(o, c, 32, 32, (p, s, e) -> toInt(p, s, e, 4, 32, false)));
    f.both("cvttps2dq", (o, c) -> elements(o, c, 32, 32, (p, s, e) -> toInt(p, s, e, 4, 32, true)));
    f.both("cvtpd2dq", (o, c) -> elements(o, c, 64, 32, (p, s, e) -> toInt(p, s, e, 8, 32, false)));
    f.both("cvttpd2dq", (o, c) -> elements(o, c, 64, 32, (p, s, e) -> toInt(p, s, e, 8, 32, true)));
    f.add("vcvtph2ps", (o, c) -> elements(o, c, 16, 32, SseConversions::fromHalf));
    f.add("vcvtps2ph", SseConversions::toHalf);
    f.add("vcvtudq2ps", (o, c) -> elements(o, c, 32, 32, (p, s, e) -> unsigned(p, s, e, 4)));
    f.add("vcvtudq2pd", (o, c) -> elements(o, c, 32, 64, (p, s, e) -> unsigned(p, s, e, 8)));
    f.add("vcvtqq2ps", (o, c) -> elements(o, c, 64, 32, (p, s, e) -> integer(p, s, e, 4)));
    f.add("vcvtqq2pd", (o, c) -> elements(o, c, 64, 64, (p, s, e) -> integer(p, s, e, 8)));
    f.add("vcvtuqq2ps", (o, c) -> elements(o, c, 64, 32, (p, s, e) -> unsigned(p, s, e, 4)));
    f.add("vcvtuqq2pd", (o, c) -> elements(o, c, 64, 64, (p, s, e) -> unsigned(p, s, e, 8)));
    for (String t : new String[] {"", "t"}) {
      boolean cut = !t.isEmpty();
      for (int w : new int[] {4, 8}) {
        String from = w == 4 ? "ps" : "pd";
        f.add(
            "vcvt" + t + from + "2udq",
            (o, c) -> elements(o, c, 8 * w, 32, (p, s, e) -> toUnsigned(p, s, e, w, 32, cut)));
        f.add(
            "vcvt" + t + from + "2uqq",
            (o, c) -> elements(o, c, 8 * w, 64, (p, s, e) -> toUnsigned(p, s, e, w, 64, cut)));
        f.add(
            "vcvt" + t + from + "2qq",
            (o, c) -> elements(o, c, 8 * w, 64, (p, s, e) -> toInt(p, s, e, w, 64, cut)));
        String scalar = w == 4 ? "ss" : "sd";
        f.add("vcvt" + t + scalar + "2usi", (o, c) -> toUnsigned(o, c, w, cut));
      }
    }
    f.add("vcvtusi2ss", (o, c) -> fromUnsigned(o, c, 4));
    f.add("vcvtusi2sd", (o, c) -> fromUnsigned(o, c, 8));
    f.add("cvtpi2ps", SseConversions::pi2ps);
    f.add("cvtpi2pd", SseConversions::pi2pd);
    f.add("cvtps2pi", (o, c) -> ps2pi(o, c, false));
    f.add("cvttps2pi", (o, c) -> ps2pi(o, c, true));
    f.add("cvtpd2pi", (o, c) -> pd2pi(o, c, false));
    f.add("cvttpd2pi", (o, c) -> pd2pi(o, c, true));
  }

  private static long integer(Cpu c, SoftFloat s, long v, int bytes) {
    c.nz.fromLong(v);
    s.round(c.nz, SseArithmetic.format(bytes));
    return SseArithmetic.pack(c.nz, bytes);
  }

  private static long unsigned(Cpu c, SoftFloat s, long v, int bytes) {
    c.nz.setMagnitude(false, 63, v, 0);
    s.round(c.nz, SseArithmetic.format(bytes));
    return SseArithmetic.pack(c.nz, bytes);
  }

  private static void fromUnsigned(MemOp o, Cpu c, int bytes) {
    Vectors.enter(o, c);
    long v = o.readRm(c, o.insn.osize == 8 ? 8 : 4);
    SoftFloat s = SseArithmetic.soft(c);
    long z = unsigned(c, s, v, bytes);
    SseArithmetic.commit(c, s.flags);
    Vectors.putScalar(o, c, bytes, z);
  }

  /** Numbers that do not fit give all ones. */
  private static long toUnsigned(
      Cpu c, SoftFloat s, long bits, int bytes, int width, boolean truncate) {
    Num a = c.na;
    SseArithmetic.unpack(c, a, bits, bytes);
    int rounding = s.rounding;
    int before = s.flags;
    s.flags = 0;
    s.rounding = truncate ? 3 : rounding;
    boolean number = a.kind == Num.FINITE || a.kind == Num.ZERO;
    if (number) {
      s.roundToIntegral(a);
    }
    s.rounding = rounding;
    boolean fits = number && (a.kind == Num.ZERO || !a.sign && a.exp < width);
    s.flags = before | (fits ? s.flags : SoftFloat.IE);
    if (!fits) {
      return -1L >>> 64 - width;
    }
    return a.kind == Num.ZERO ? 0 : a.sig >>> 63 - a.exp;
  }

  private static void toUnsigned(MemOp o, Cpu c, int bytes, boolean truncate) {
    Vectors.enter(o, c);
    long v = Vectors.scalar(o, c, bytes);
    int n = o.insn.osize == 8 ? 8 : 4;
    SoftFloat s = SseArithmetic.soft(c);
    long z = toUnsigned(c, s, v, bytes, 8 * n, truncate);
    SseArithmetic.commit(c, s.flags);
    c.setReg(o.reg, n, z);
  }

  private static void fromInteger(MemOp o, Cpu c, int bytes) {
    Vectors.enter(o, c);
    int n = o.insn.osize == 8 ? 8 : 4;
    long v = MemOp.signExtend(o.readRm(c, n), n);
    SoftFloat s = SseArithmetic.soft(c);
    long z = integer(c, s, v, bytes);
    SseArithmetic.commit(c, s.flags);
    Vectors.putScalar(o, c, bytes, z);
  }

  private static long toInt(Cpu c, SoftFloat s, long bits, int bytes, int width, boolean truncate) {
    SseArithmetic.unpack(c, c.na, bits, bytes);
    int rounding = s.rounding;
    if (truncate) {
      s.rounding = 3;
    }
    int before = s.flags;
    s.flags = 0;
    long v = s.toInteger(c.na, width);
    s.flags |= before;
    s.rounding = rounding;
    return v;
  }

  private static void toInteger(MemOp o, Cpu c, int bytes, boolean truncate) {
    Vectors.enter(o, c);
    long v = Vectors.scalar(o, c, bytes);
    int n = o.insn.osize == 8 ? 8 : 4;
    SoftFloat s = SseArithmetic.soft(c);
    long z = toInt(c, s, v, bytes, 8 * n, truncate);
    SseArithmetic.commit(c, s.flags);
    c.setReg(o.reg, n, z);
  }

  /** Converts between single and double. */
  private static long convert(Cpu c, SoftFloat s, long bits, int from) {
    Num a = c.na;
    SseArithmetic.unpack(c, a, bits, from);
    int to = from == 4 ? 8 : 4;
    if (a.isNan()) {
      c.nb.setZero(false);
      return SseArithmetic.nan(s, a, c.nb, to);
    }
    if (a.denormal) {
      s.flags |= SoftFloat.DE;
    }
    a.denormal = false;
    s.round(a, SseArithmetic.format(to));
    return SseArithmetic.pack(a, to);
  }

  private static void scalar(MemOp o, Cpu c, int from) {
    Vectors.enter(o, c);
    long v = Vectors.scalar(o, c, from);
    if ((Vectors.active(o, c) & 1) == 0) {
      Vectors.putScalar(o, c, from == 8 ? 4 : 8, 0);
      return;
    }
    SoftFloat s = SseArithmetic.soft(c);
    long z = convert(c, s, v, from);
    SseArithmetic.commit(c, s.flags);
    Vectors.putScalar(o, c, from == 8 ? 4 : 8, z);
  }

  /** An element of the result from an element of the source. */
  private interface Element {
    long of(Cpu c, SoftFloat s, long e);
  }

  /** Converts elements of one width to as many of another; what is above them becomes zero. */
  private static void elements(MemOp o, Cpu c, int from, int to, Element convert) {
    Vectors.enter(o, c);
    int n = 64 * o.quads / Math.max(from, to);
    long[] b = Vectors.elements(o, c, n * from / 8, from / 8);
    SoftFloat s = SseArithmetic.soft(c);
    long on = Vectors.active(o, c);
    long[] z = new long[Math.max(2, n * to / 64)];
    for (int i = 0; i < n; i++) {
      if ((on >>> i & 1) != 0) {
        PackedShuffles.set(z, i, to, convert.of(c, s, PackedShuffles.element(b, i, from)));
      }
    }
    SseArithmetic.commit(c, s.flags);
    Vectors.put(o, c, o.reg, z, n);
  }

  /** Denormal halves are ordinary singles: neither MXCSR.DAZ nor DE knows of them. */
  private static long fromHalf(Cpu c, SoftFloat s, long e) {
    Num a = c.na;
    a.fromHalf((int) e);
    a.denormal = false;
    return a.isNan() ? SseArithmetic.nan(s, a, a, 4) : SseArithmetic.pack(a, 4);
  }

  /** VCVTPS2PH: imm 1:0 rounding, 2 that of MXCSR instead; MXCSR.FZ does not matter. */
  private static void toHalf(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    long[] v = Vectors.register(c, o.reg, o.quads);
    SoftFloat s = SseArithmetic.soft(c);
    s.flushToZero = false;
    int imm = (int) o.insn.imm;
    if ((imm & 4) == 0) {
      s.rounding = imm & 3;
    }
    long[] z = new long[Math.max(2, v.length / 2)];
    long on = Vectors.active(o, c);
    for (int i = 0; i < 2 * v.length; i++) {
      if ((on >>> i & 1) != 0) {
        PackedShuffles.set(z, i, 16, half(c, s, PackedShuffles.element(v, i, 32)));
      }
    }
    int bytes = 4 * v.length;
    if (!o.mem) {
      SseArithmetic.commit(c, s.flags);
      Vectors.put(o, c, o.rm, z, 2 * v.length);
      return;
    }
    Vectors.probeRm(o, c, bytes);
    SseArithmetic.commit(c, s.flags);
    Vectors.putRm(o, c, z, bytes);
  }

  private static long half(Cpu c, SoftFloat s, long bits) {
    Num a = c.na;
    SseArithmetic.unpack(c, a, bits, 4);
    if (a.isNan()) {
      if (a.kind == Num.SNAN) {
        s.flags |= SoftFloat.IE;
      }
      a.kind = Num.QNAN;
      a.sig |= 1L << 62;
      return a.toHalf();
    }
    if (a.denormal) {
      s.flags |= SoftFloat.DE;
    }
    a.denormal = false;
    s.round(a, SoftFloat.HALF);
    return a.toHalf();
  }

  private static long pd2dq(Cpu c, SoftFloat s, long[] b, boolean truncate) {
    return toInt(c, s, b[0], 8, 32, truncate) & 0xFFFF_FFFFL
        | toInt(c, s, b[1], 8, 32, truncate) << 32;
  }

  // ---- forms with an MMX operand

  private static void pi2ps(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    X87.pending(c);
    long v = MmxOps.mmx(o, c, 8);
    SoftFloat s = SseArithmetic.soft(c);
    long z = integer(c, s, (int) v, 4) | integer(c, s, v >> 32, 4) << 32;
    SseArithmetic.commit(c, s.flags);
    c.xmm[2 * o.reg] = z;
    if (!o.mem) {
      MmxOps.touch(c);
    }
  }

  private static void pi2pd(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    X87.pending(c);
    long v = MmxOps.mmx(o, c, 8);
    SoftFloat s = SseArithmetic.soft(c);
    long lo = integer(c, s, (int) v, 8);
    long hi = integer(c, s, v >> 32, 8);
    SseArithmetic.commit(c, s.flags);
    c.xmm[2 * o.reg] = lo;
    c.xmm[2 * o.reg + 1] = hi;
    if (!o.mem) {
      MmxOps.touch(c);
    }
  }

  private static void ps2pi(MemOp o, Cpu c, boolean truncate) {
    Vectors.enter(o, c);
    X87.pending(c);
    long v = Vectors.scalar(o, c, 8);
    SoftFloat s = SseArithmetic.soft(c);
    long z =
        toInt(c, s, v & 0xFFFF_FFFFL, 4, 32, truncate) & 0xFFFF_FFFFL
            | toInt(c, s, v >>> 32, 4, 32, truncate) << 32;
    // The x87 state changes even if #XM keeps the result back.
    MmxOps.touch(c);
    SseArithmetic.commit(c, s.flags);
    MmxOps.put(c, o.reg & 7, z);
  }

  private static void pd2pi(MemOp o, Cpu c, boolean truncate) {
    Vectors.enter(o, c);
    X87.pending(c);
    long[] b = Vectors.source(o, c, 16);
    SoftFloat s = SseArithmetic.soft(c);
    long z = pd2dq(c, s, b, truncate);
    // The x87 state changes even if #XM keeps the result back.
    MmxOps.touch(c);
    SseArithmetic.commit(c, s.flags);
    MmxOps.put(c, o.reg & 7, z);
  }
}
