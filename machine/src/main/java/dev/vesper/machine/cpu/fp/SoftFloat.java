package dev.vesper.machine.cpu.fp;

import java.math.BigInteger;

/**
 * IEEE 754 arithmetic with x86's rules: tininess after rounding, masked and unmasked responses.
 * Operands of the arithmetic methods are finite or infinite; NaNs are the callers' matter because
 * x87 and SSE choose differently between two of them.
 */
public final class SoftFloat {
  public static final int IE = 1;
  public static final int DE = 2;
  public static final int ZE = 4;
  public static final int OE = 8;
  public static final int UE = 16;
  public static final int PE = 32;

  /** Rounding: 0 nearest even, 1 down, 2 up, 3 to zero. */
  public int rounding;

  /** Exceptions that are masked, as bits. */
  public int masks = 0x3F;

  /** Tiny results become zero when underflow is masked (MXCSR.FZ). */
  public boolean flushToZero;

  /** x87: an unmasked overflow or underflow delivers a result scaled by 2^24576. */
  public boolean scaleUnmasked;

  /** Exceptions raised so far. */
  public int flags;

  /** The last rounding went away from zero. */
  public boolean roundedUp;

  /** Significant bits, smallest and largest exponent of a result format. */
  public record Format(int precision, int emin, int emax) {}

  public static final Format HALF = new Format(11, -14, 15);
  public static final Format SINGLE = new Format(24, -126, 127);
  public static final Format DOUBLE = new Format(53, -1022, 1023);
  public static final Format EXTENDED = new Format(64, -16382, 16383);
  public static final Format EXTENDED24 = new Format(24, -16382, 16383);
  public static final Format EXTENDED53 = new Format(53, -16382, 16383);

  // ---- rounding

  private boolean roundsUp(boolean sign, boolean odd, boolean half, boolean sticky) {
    return switch (rounding) {
      case 0 -> half && (sticky || odd);
      case 1 -> sign && (half || sticky);
      case 2 -> !sign && (half || sticky);
      default -> false;
    };
  }

  /** Rounds significand bits in place; returns whether the result is inexact. */
  private boolean roundBits(Num z, int precision) {
    int drop = 64 - precision;
    boolean half;
    boolean sticky;
    long unit;
    boolean odd;
    if (drop == 0) {
      half = z.low < 0;
      sticky = z.low << 1 != 0;
      unit = 1;
    } else {
      half = (z.sig >>> drop - 1 & 1) != 0;
      sticky = (z.sig & (1L << drop - 1) - 1) != 0 || z.low != 0;
      unit = 1L << drop;
    }
    odd = (z.sig & unit) != 0;
    boolean inexact = half || sticky;
    boolean up = roundsUp(z.sign, odd, half, sticky);
    z.sig &= -unit;
    z.low = 0;
    roundedUp = up;
    if (up) {
      z.sig += unit;
      if (z.sig == 0) {
        z.sig = 1L << 63;
        z.exp++;
      }
    }
    return inexact;
  }

  private static void shiftRight(Num z, int n) {
    if (n <= 0) {
      return;
    }
    if (n < 64) {
      boolean lost = z.low << 64 - n != 0;
      z.low = z.low >>> n | z.sig << 64 - n | (lost ? 1 : 0);
      z.sig >>>= n;
    } else if (n < 128) {
      boolean lost = z.low != 0 || n > 64 && z.sig << 128 - n != 0;
      z.low = (n == 64 ? z.sig : z.sig >>> n - 64) | (lost ? 1 : 0);
      z.sig = 0;
    } else {
      z.low = z.sig != 0 || z.low != 0 ? 1 : 0;
      z.sig = 0;
    }
  }

  /** Rounds a finite number with extra bits to a format, raising OE, UE and PE. */
  public void round(Num z, Format f) {
    roundedUp = false;
    if (z.kind != Num.FINITE) {
      return;
    }
    if (z.exp < f.emin()) {
      // Tininess is judged as if the exponent had no bound.
      long sig = z.sig;
      long low = z.low;
      int exp = z.exp;
      boolean inexactUnbounded = roundBits(z, f.precision());
      boolean tiny = z.exp < f.emin();
      z.sig = sig;
      z.low = low;
      z.exp = exp;
      if (tiny && (masks & UE) == 0) {
        if (scaleUnmasked) {
          flags |= UE;
          z.exp += 24576;
          if (roundBits(z, f.precision())) {
            flags |= PE;
          }
          if (z.exp < f.emin()) {
            // FSCALE alone gets there.
            flags |= PE;
            roundedUp = false;
            z.setZero(z.sign);
          }
          return;
        }
        // The trap keeps the result back; precision is that of the result with any exponent.
        flags |= UE | (inexactUnbounded ? PE : 0);
        z.setZero(z.sign);
        return;
      }
      if (tiny && flushToZero) {
        flags |= UE | PE;
        z.setZero(z.sign);
        return;
      }
      shiftRight(z, f.emin() - z.exp);
      z.exp = f.emin();
      boolean inexact = roundBits(z, f.precision());
      if (inexact) {
        flags |= PE | (tiny ? UE : 0);
      }
      normalize(z);
      return;
    }
    if (roundBits(z, f.precision())) {
      flags |= PE;
    }
    if (z.exp > f.emax()) {
      flags |= OE;
      if ((masks & OE) == 0 && scaleUnmasked) {
        z.exp -= 24576;
        if (z.exp > f.emax()) {
          flags |= PE;
          roundedUp = true;
          z.setInf(z.sign);
        }
        return;
      }
      // A trap keeps the result back; precision is that of the result with any exponent.
      flags |= (masks & OE) != 0 ? PE : 0;
      boolean toInf = rounding == 0 || rounding == (z.sign ? 1 : 2);
      roundedUp = toInf;
      if (toInf) {
        z.setInf(z.sign);
      } else {
        z.exp = f.emax();
        z.sig = -1L << 64 - f.precision();
      }
    }
  }

  private static void normalize(Num z) {
    if (z.sig == 0) {
      z.setZero(z.sign);
      return;
    }
    int n = Long.numberOfLeadingZeros(z.sig);
    z.sig <<= n;
    z.exp -= n;
  }

  // ---- arithmetic; z may be a

  /** z := a + b, or a - b, unrounded. Raises IE for opposite infinities. */
  public void add(Num a, Num b, boolean subtract, Num z) {
    boolean bs = b.sign ^ subtract;
    if (a.kind == Num.INF || b.kind == Num.INF) {
      if (a.kind == b.kind && a.sign != bs) {
        flags |= IE;
        z.setIndefinite();
      } else {
        z.setInf(a.kind == Num.INF ? a.sign : bs);
      }
      return;
    }
    if (a.kind == Num.ZERO && b.kind == Num.ZERO) {
      z.setZero(a.sign == bs ? a.sign : rounding == 1);
      return;
    }
    if (a.kind == Num.ZERO) {
      z.set(b);
      z.sign = bs;
      z.low = 0;
      return;
    }
    if (b.kind == Num.ZERO) {
      z.set(a);
      z.low = 0;
      return;
    }
    boolean swap = a.exp < b.exp || a.exp == b.exp && Long.compareUnsigned(a.sig, b.sig) < 0;
    Num x = swap ? b : a;
    Num y = swap ? a : b;
    boolean xs = swap ? bs : a.sign;
    boolean ys = swap ? a.sign : bs;
    long xsig = x.sig;
    int xexp = x.exp;
    Num t = new Num();
    t.sig = y.sig;
    shiftRight(t, xexp - y.exp);
    if (xs == ys) {
      long h = xsig + t.sig;
      if (Long.compareUnsigned(h, xsig) < 0) {
        long l = t.low >>> 1 | h << 63 | t.low & 1;
        z.setMagnitude(xs, xexp + 1, h >>> 1 | 1L << 63, l);
      } else {
        z.setMagnitude(xs, xexp, h, t.low);
      }
      return;
    }
    long l = -t.low;
    long h = xsig - t.sig - (t.low != 0 ? 1 : 0);
    if (h == 0 && l == 0) {
      z.setZero(rounding == 1);
      return;
    }
    z.setMagnitude(xs, xexp, h, l);
  }

  /** z := a * b, unrounded. Raises IE for zero times infinity. */
  public void mul(Num a, Num b, Num z) {
    boolean s = a.sign ^ b.sign;
    if (a.kind == Num.INF || b.kind == Num.INF) {
      if (a.kind == Num.ZERO || b.kind == Num.ZERO) {
        flags |= IE;
        z.setIndefinite();
      } else {
        z.setInf(s);
      }
      return;
    }
    if (a.kind == Num.ZERO || b.kind == Num.ZERO) {
      z.setZero(s);
      return;
    }
    z.setMagnitude(s, a.exp + b.exp + 1, Math.unsignedMultiplyHigh(a.sig, b.sig), a.sig * b.sig);
  }

  /**
   * z := a * b + c, unrounded and exact but for a sticky bit. Raises IE for zero times infinity and
   * for opposite infinities.
   */
  public void fma(Num a, Num b, Num c, Num z) {
    boolean ps = a.sign ^ b.sign;
    boolean infinite = a.kind == Num.INF || b.kind == Num.INF;
    boolean zero = a.kind == Num.ZERO || b.kind == Num.ZERO;
    if (infinite && (zero || c.kind == Num.INF && c.sign != ps)) {
      flags |= IE;
      z.setIndefinite();
    } else if (infinite || c.kind == Num.INF) {
      z.setInf(infinite ? ps : c.sign);
    } else if (zero && c.kind == Num.ZERO) {
      z.setZero(ps == c.sign ? ps : rounding == 1);
    } else if (zero) {
      z.set(c);
    } else {
      long high = Math.unsignedMultiplyHigh(a.sig, b.sig);
      BigInteger product =
          unsigned(high).shiftLeft(64).or(unsigned(a.sig * b.sig)).multiply(sign(ps));
      // Both as integers times a power of two: the product's is 2 to the exponents' sum - 126.
      int pe = a.exp + b.exp - 126;
      if (c.kind == Num.ZERO) {
        fromInteger(product, pe, z);
        return;
      }
      // What lies this far below the other cannot meet it and only counts as sticky.
      int ce = Math.clamp(c.exp - 63L, pe - FAR, pe + FAR);
      BigInteger addend = unsigned(c.sig).multiply(sign(c.sign));
      BigInteger sum =
          ce >= pe
              ? product.add(addend.shiftLeft(ce - pe))
              : product.shiftLeft(pe - ce).add(addend);
      // The clamped exponent is only ever the smaller number's, unless the addend is far larger.
      int exponent = Math.min(ce, pe) + (c.exp - 63 > pe + FAR ? c.exp - 63 - pe - FAR : 0);
      fromInteger(sum, exponent, z);
    }
  }

  /** Distance of exponents from which the smaller operand of a sum is nothing but sticky. */
  private static final int FAR = 400;

  private static BigInteger sign(boolean negative) {
    return negative ? BigInteger.ONE.negate() : BigInteger.ONE;
  }

  /** z := v times two to the exponent, with what 128 bits cannot hold as sticky. */
  private void fromInteger(BigInteger v, int exponent, Num z) {
    if (v.signum() == 0) {
      z.setZero(rounding == 1);
      return;
    }
    BigInteger m = v.abs();
    int drop = Math.max(0, m.bitLength() - 128);
    boolean sticky = m.getLowestSetBit() < drop;
    BigInteger top = m.shiftRight(drop);
    long low = top.longValue() | (sticky ? 1 : 0);
    z.setMagnitude(v.signum() < 0, exponent + drop + 127, top.shiftRight(64).longValue(), low);
  }

  /** z := a / b, unrounded. Raises IE for 0/0 and inf/inf, ZE for a finite number over zero. */
  public void div(Num a, Num b, Num z) {
    boolean s = a.sign ^ b.sign;
    if (a.kind == Num.INF) {
      if (b.kind == Num.INF) {
        flags |= IE;
        z.setIndefinite();
      } else {
        z.setInf(s);
      }
      return;
    }
    if (b.kind == Num.INF) {
      z.setZero(s);
      return;
    }
    if (b.kind == Num.ZERO) {
      if (a.kind == Num.ZERO) {
        flags |= IE;
        z.setIndefinite();
      } else {
        flags |= ZE;
        z.setInf(s);
      }
      return;
    }
    if (a.kind == Num.ZERO) {
      z.setZero(s);
      return;
    }
    boolean less = Long.compareUnsigned(a.sig, b.sig) < 0;
    long[] q = divide(less ? a.sig : a.sig >>> 1, less ? 0 : a.sig << 63, b.sig);
    long[] r = divide(q[1], 0, b.sig);
    int e = a.exp - b.exp - (less ? 1 : 0);
    z.setMagnitude(s, e, q[0], r[0] | (r[1] != 0 ? 1 : 0));
  }

  /** {@return quotient and remainder of an unsigned 128-bit number; the quotient must fit} */
  public static long[] divide(long high, long low, long divisor) {
    long hi = high;
    long lo = low;
    long q = 0;
    for (int i = 0; i < 64; i++) {
      boolean carry = hi < 0;
      hi = hi << 1 | lo >>> 63;
      lo <<= 1;
      q <<= 1;
      if (carry || Long.compareUnsigned(hi, divisor) >= 0) {
        hi -= divisor;
        q |= 1;
      }
    }
    return new long[] {q, hi};
  }

  /** {@return a long taken as unsigned} */
  public static BigInteger unsigned(long v) {
    BigInteger b = BigInteger.valueOf(v & Long.MAX_VALUE);
    return v < 0 ? b.setBit(63) : b;
  }

  /** z := sqrt(a), unrounded. Raises IE for negative numbers but -0. */
  public void sqrt(Num a, Num z) {
    if (a.kind == Num.ZERO) {
      z.setZero(a.sign);
      return;
    }
    if (a.sign) {
      flags |= IE;
      z.setIndefinite();
      return;
    }
    if (a.kind == Num.INF) {
      z.setInf(false);
      return;
    }
    boolean odd = (a.exp & 1) != 0;
    BigInteger[] q = unsigned(a.sig).shiftLeft(odd ? 128 : 127).shiftLeft(64).sqrtAndRemainder();
    BigInteger root = q[0];
    int e = odd ? a.exp - 1 >> 1 : a.exp >> 1;
    int extra = root.bitLength() - 128;
    BigInteger aligned = extra >= 0 ? root.shiftRight(extra) : root.shiftLeft(-extra);
    long lost = q[1].signum() != 0 || extra > 0 && root.getLowestSetBit() < extra ? 1 : 0;
    z.setMagnitude(false, e, aligned.shiftRight(64).longValue(), aligned.longValue() | lost);
  }

  /** Compares finite or infinite numbers: -1, 0 or 1. */
  public static int compare(Num a, Num b) {
    if (a.kind == Num.ZERO && b.kind == Num.ZERO) {
      return 0;
    }
    if (a.kind == Num.ZERO) {
      return b.sign ? 1 : -1;
    }
    if (b.kind == Num.ZERO || a.sign != b.sign) {
      return a.sign ? -1 : 1;
    }
    int m;
    if (a.kind == Num.INF || b.kind == Num.INF) {
      m = a.kind == b.kind ? 0 : a.kind == Num.INF ? 1 : -1;
    } else {
      m = a.exp != b.exp ? Integer.compare(a.exp, b.exp) : Long.compareUnsigned(a.sig, b.sig);
    }
    return a.sign ? -m : m;
  }

  /** Rounds to an integral value in place; raises PE if that changes it. */
  public void roundToIntegral(Num z) {
    roundedUp = false;
    if (z.kind != Num.FINITE || z.exp >= 63) {
      return;
    }
    if (z.exp < -1) {
      boolean up = roundsUp(z.sign, false, false, true);
      flags |= PE;
      roundedUp = up;
      z.low = 0;
      if (up) {
        z.exp = 0;
        z.sig = 1L << 63;
      } else {
        z.setZero(z.sign);
      }
      return;
    }
    if (z.exp == -1) {
      boolean sticky = z.sig << 1 != 0;
      boolean up = roundsUp(z.sign, false, true, sticky);
      flags |= PE;
      roundedUp = up;
      if (up) {
        z.exp = 0;
        z.sig = 1L << 63;
      } else {
        z.setZero(z.sign);
      }
      return;
    }
    z.low = 0;
    if (roundBits(z, z.exp + 1)) {
      flags |= PE;
    }
  }

  /**
   * Converts to a signed integer.
   *
   * @param bits 16, 32 or 64
   * @return the integer, or the integer indefinite with IE raised
   */
  public long toInteger(Num a, int bits) {
    long indefinite = -1L << bits - 1;
    if (a.kind == Num.ZERO) {
      return 0;
    }
    if (a.kind != Num.FINITE || a.exp > 63) {
      flags |= IE;
      return indefinite;
    }
    Num t = new Num();
    t.set(a);
    int before = flags;
    roundToIntegral(t);
    if (t.kind == Num.ZERO) {
      return 0;
    }
    long m = t.exp > 63 ? 0 : t.sig >>> 63 - t.exp;
    boolean fits =
        t.exp < bits - 1
            || t.sign && t.exp == bits - 1 && m << 64 - bits << 1 == 0 && m == 1L << bits - 1;
    if (!fits) {
      flags = before | IE;
      roundedUp = false;
      return indefinite;
    }
    return t.sign ? -m : m;
  }
}
