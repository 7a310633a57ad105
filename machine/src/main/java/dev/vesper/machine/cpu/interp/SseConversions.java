package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.fp.Num;
import dev.vesper.machine.cpu.fp.SoftFloat;

/** Conversions between integers, singles and doubles. */
final class SseConversions {
  private SseConversions() {}

  static void register(Families f) {
    f.add("cvtsi2ss", (o, c) -> fromInteger(o, c, 4));
    f.add("cvtsi2sd", (o, c) -> fromInteger(o, c, 8));
    f.add("cvtss2si", (o, c) -> toInteger(o, c, 4, false));
    f.add("cvtsd2si", (o, c) -> toInteger(o, c, 8, false));
    f.add("cvttss2si", (o, c) -> toInteger(o, c, 4, true));
    f.add("cvttsd2si", (o, c) -> toInteger(o, c, 8, true));
    f.add("cvtss2sd", (o, c) -> scalar(o, c, 4));
    f.add("cvtsd2ss", (o, c) -> scalar(o, c, 8));
    f.add("cvtps2pd", SseConversions::ps2pd);
    f.add("cvtpd2ps", SseConversions::pd2ps);
    f.add("cvtdq2ps", SseConversions::dq2ps);
    f.add("cvtdq2pd", SseConversions::dq2pd);
    f.add("cvtps2dq", (o, c) -> ps2dq(o, c, false));
    f.add("cvttps2dq", (o, c) -> ps2dq(o, c, true));
    f.add("cvtpd2dq", (o, c) -> pd2dq(o, c, false));
    f.add("cvttpd2dq", (o, c) -> pd2dq(o, c, true));
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

  private static void fromInteger(MemOp o, Cpu c, int bytes) {
    Sse.enter(c);
    int n = o.insn.osize == 8 ? 8 : 4;
    long v = MemOp.signExtend(o.readRm(c, n), n);
    SoftFloat s = SseArithmetic.soft(c);
    long z = integer(c, s, v, bytes);
    SseArithmetic.commit(c, s.flags);
    c.xmm[2 * o.reg] = bytes == 4 ? c.xmm[2 * o.reg] & ~0xFFFF_FFFFL | z : z;
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
    Sse.enter(c);
    long v = Sse.scalar(o, c, bytes);
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
    Sse.enter(c);
    long v = Sse.scalar(o, c, from);
    SoftFloat s = SseArithmetic.soft(c);
    long z = convert(c, s, v, from);
    SseArithmetic.commit(c, s.flags);
    c.xmm[2 * o.reg] = from == 8 ? c.xmm[2 * o.reg] & ~0xFFFF_FFFFL | z : z;
  }

  private static void put(MemOp o, Cpu c, SoftFloat s, long lo, long hi) {
    SseArithmetic.commit(c, s.flags);
    c.xmm[2 * o.reg] = lo;
    c.xmm[2 * o.reg + 1] = hi;
  }

  private static void ps2pd(MemOp o, Cpu c) {
    Sse.enter(c);
    long v = Sse.scalar(o, c, 8);
    SoftFloat s = SseArithmetic.soft(c);
    long lo = convert(c, s, v & 0xFFFF_FFFFL, 4);
    long hi = convert(c, s, v >>> 32, 4);
    put(o, c, s, lo, hi);
  }

  private static void pd2ps(MemOp o, Cpu c) {
    Sse.enter(c);
    long[] b = new long[2];
    Sse.load(o, c, b, false);
    SoftFloat s = SseArithmetic.soft(c);
    long lo = convert(c, s, b[0], 8);
    long hi = convert(c, s, b[1], 8);
    put(o, c, s, lo | hi << 32, 0);
  }

  private static void dq2ps(MemOp o, Cpu c) {
    Sse.enter(c);
    long[] b = new long[2];
    Sse.load(o, c, b, false);
    SoftFloat s = SseArithmetic.soft(c);
    long[] z = new long[2];
    for (int i = 0; i < 2; i++) {
      z[i] = integer(c, s, (int) b[i], 4) | integer(c, s, b[i] >> 32, 4) << 32;
    }
    put(o, c, s, z[0], z[1]);
  }

  private static void dq2pd(MemOp o, Cpu c) {
    Sse.enter(c);
    long v = Sse.scalar(o, c, 8);
    SoftFloat s = SseArithmetic.soft(c);
    long lo = integer(c, s, (int) v, 8);
    long hi = integer(c, s, v >> 32, 8);
    put(o, c, s, lo, hi);
  }

  private static void ps2dq(MemOp o, Cpu c, boolean truncate) {
    Sse.enter(c);
    long[] b = new long[2];
    Sse.load(o, c, b, false);
    SoftFloat s = SseArithmetic.soft(c);
    long[] z = new long[2];
    for (int i = 0; i < 2; i++) {
      z[i] =
          toInt(c, s, b[i] & 0xFFFF_FFFFL, 4, 32, truncate) & 0xFFFF_FFFFL
              | toInt(c, s, b[i] >>> 32, 4, 32, truncate) << 32;
    }
    put(o, c, s, z[0], z[1]);
  }

  private static long pd2dq(Cpu c, SoftFloat s, long[] b, boolean truncate) {
    return toInt(c, s, b[0], 8, 32, truncate) & 0xFFFF_FFFFL
        | toInt(c, s, b[1], 8, 32, truncate) << 32;
  }

  private static void pd2dq(MemOp o, Cpu c, boolean truncate) {
    Sse.enter(c);
    long[] b = new long[2];
    Sse.load(o, c, b, false);
    SoftFloat s = SseArithmetic.soft(c);
    put(o, c, s, pd2dq(c, s, b, truncate), 0);
  }

  // ---- forms with an MMX operand

  private static void pi2ps(MemOp o, Cpu c) {
    Sse.enter(c);
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
    Sse.enter(c);
    X87.pending(c);
    long v = MmxOps.mmx(o, c, 8);
    SoftFloat s = SseArithmetic.soft(c);
    long lo = integer(c, s, (int) v, 8);
    long hi = integer(c, s, v >> 32, 8);
    put(o, c, s, lo, hi);
    if (!o.mem) {
      MmxOps.touch(c);
    }
  }

  private static void ps2pi(MemOp o, Cpu c, boolean truncate) {
    Sse.enter(c);
    X87.pending(c);
    long v = Sse.scalar(o, c, 8);
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
    Sse.enter(c);
    X87.pending(c);
    long[] b = new long[2];
    Sse.load(o, c, b, false);
    SoftFloat s = SseArithmetic.soft(c);
    long z = pd2dq(c, s, b, truncate);
    // The x87 state changes even if #XM keeps the result back.
    MmxOps.touch(c);
    SseArithmetic.commit(c, s.flags);
    MmxOps.put(c, o.reg & 7, z);
  }
}
