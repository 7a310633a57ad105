package dev.vesper.machine.cpu.fp;

import java.math.BigInteger;

/**
 * Elementary functions in fixed point with enough bits that rounding to 64 is right in all but one
 * of 2^100 cases: series after argument reduction. Numbers are integers scaled by a power of two.
 */
public final class Transcendental {
  /** Fraction bits of a result next to one; smaller results get more. */
  private static final int BITS = 192;

  /** Fraction bits of the constants. */
  private static final int CONSTANT_BITS = 640;

  private static final BigInteger ONE = BigInteger.ONE;
  private static final BigInteger LN2 =
      inverseHyperbolicTangent(ONE.shiftLeft(CONSTANT_BITS).divide(BigInteger.valueOf(3)))
          .shiftLeft(1);
  private static final BigInteger PI = machin();

  /** Pi as the processor reduces angles by it: 68 bits, scaled by 2^66. */
  private static final BigInteger REDUCTION_PI = new BigInteger("C90FDAA22168C234C", 16);

  private Transcendental() {}

  // ---- constants and series

  /** Sum of t^(2k+1)/(2k+1), at {@link #CONSTANT_BITS}. */
  private static BigInteger inverseHyperbolicTangent(BigInteger t) {
    return oddSeries(t, CONSTANT_BITS, false);
  }

  private static BigInteger machin() {
    BigInteger a = ONE.shiftLeft(CONSTANT_BITS).divide(BigInteger.valueOf(5));
    BigInteger b = ONE.shiftLeft(CONSTANT_BITS).divide(BigInteger.valueOf(239));
    return oddSeries(a, CONSTANT_BITS, true)
        .shiftLeft(4)
        .subtract(oddSeries(b, CONSTANT_BITS, true).shiftLeft(2));
  }

  /** {@return the sum of (-1)^k t^(2k+1)/(2k+1), or without the alternating sign} */
  private static BigInteger oddSeries(BigInteger t, int bits, boolean alternating) {
    BigInteger square = t.multiply(t).shiftRight(bits);
    BigInteger power = t;
    BigInteger sum = t;
    for (int k = 3; power.signum() != 0; k += 2) {
      power = power.multiply(square).shiftRight(bits);
      // A negative number shifts towards minus infinity and would never become zero.
      power = power.equals(ONE.negate()) ? BigInteger.ZERO : power;
      BigInteger term = power.divide(BigInteger.valueOf(k));
      sum = alternating && (k & 2) != 0 ? sum.subtract(term) : sum.add(term);
    }
    return sum;
  }

  private static BigInteger constant(BigInteger c, int bits) {
    return bits <= CONSTANT_BITS
        ? c.shiftRight(CONSTANT_BITS - bits)
        : c.shiftLeft(bits - CONSTANT_BITS);
  }

  /** {@return a finite number scaled by 2^bits, truncated} */
  private static BigInteger fixed(Num n, int bits) {
    int shift = n.exp - 63 + bits;
    BigInteger m =
        shift >= 0
            ? SoftFloat.unsigned(n.sig).shiftLeft(shift)
            : SoftFloat.unsigned(n.sig).shiftRight(-shift);
    return n.sign ? m.negate() : m;
  }

  /** z := v / 2^bits, with a sticky bit: the result is never exact. */
  private static void give(BigInteger v, int bits, Num z) {
    BigInteger m = v.abs();
    int drop = m.bitLength() - 127;
    BigInteger top = drop > 0 ? m.shiftRight(drop) : m.shiftLeft(-drop);
    z.setMagnitude(
        v.signum() < 0, drop + 127 - bits, top.shiftRight(64).longValue(), top.longValue() | 1);
  }

  // ---- functions

  /** z := 2^x - 1 for |x| below 1, unrounded. */
  public static void exp2m1(Num x, Num z) {
    int bits = BITS + Math.max(0, -x.exp);
    BigInteger t = fixed(x, bits).multiply(constant(LN2, bits)).shiftRight(bits);
    BigInteger sum = t;
    BigInteger term = t;
    for (int k = 2; term.bitLength() > 1; k++) {
      term = term.multiply(t).shiftRight(bits).divide(BigInteger.valueOf(k));
      sum = sum.add(term);
    }
    give(sum, bits, z);
  }

  /**
   * z := y * log2(x), or y * log2(x + 1), unrounded.
   *
   * @param x positive, or above -1 with {@code plusOne}; the logarithm must not be an integer
   */
  public static void yLog2(Num y, Num x, boolean plusOne, Num z) {
    // The argument as an integer times 2^-scale.
    int scale = Math.max(64, 63 - x.exp);
    BigInteger v = fixed(x, scale);
    if (plusOne) {
      v = v.add(ONE.shiftLeft(scale));
    }
    int e = v.bitLength() - 1 - scale;
    // Next to one, so that the logarithm does not cancel against the exponent.
    BigInteger sqrtTwo = BigInteger.valueOf(0x5A82_799AL);
    if (v.compareTo(sqrtTwo.shiftLeft(scale + e + 64).shiftRight(94)) > 0) {
      e++;
    }
    BigInteger one = ONE.shiftLeft(scale + e);
    BigInteger d = v.subtract(one);
    int bits = BITS + Math.max(0, one.bitLength() - d.bitLength());
    BigInteger t = d.shiftLeft(bits).divide(v.add(one));
    BigInteger ln = oddSeries(t, bits, false).shiftLeft(1);
    BigInteger log =
        BigInteger.valueOf(e).shiftLeft(bits).add(ln.shiftLeft(bits).divide(constant(LN2, bits)));
    BigInteger product = log.multiply(SoftFloat.unsigned(y.sig));
    give(y.sign ? product.negate() : product, bits + 63 - y.exp, z);
  }

  /** z := a multiple of pi, in quarters, unrounded. */
  public static void quartersOfPi(int quarters, boolean negative, Num z) {
    BigInteger v = PI.multiply(BigInteger.valueOf(quarters)).shiftRight(2);
    give(negative ? v.negate() : v, CONSTANT_BITS, z);
  }

  /** {@return the arc tangent of q, which is in 0..1} */
  private static BigInteger arcTangent(BigInteger q, int bits) {
    BigInteger one = ONE.shiftLeft(bits);
    BigInteger t = q;
    for (int i = 0; i < 3; i++) {
      // Half the angle.
      BigInteger root = one.multiply(one).add(t.multiply(t)).sqrt();
      t = t.shiftLeft(bits).divide(one.add(root));
    }
    return oddSeries(t, bits, true).shiftLeft(3);
  }

  /** z := the angle of the point (x, y), both finite and not zero, unrounded. */
  public static void atan2(Num y, Num x, Num z) {
    int apart = y.exp - x.exp;
    boolean steep = apart > 0 || apart == 0 && Long.compareUnsigned(y.sig, x.sig) > 0;
    int bits = BITS + Math.min(Math.abs(apart), 256) + 1;
    BigInteger a;
    if (Math.abs(apart) > 256) {
      // Next to an axis by less than the result can show.
      a = ONE;
    } else {
      BigInteger above = SoftFloat.unsigned(steep ? x.sig : y.sig);
      BigInteger below = SoftFloat.unsigned(steep ? y.sig : x.sig);
      a = arcTangent(above.shiftLeft(bits - Math.abs(apart)).divide(below), bits);
    }
    if (steep) {
      a = constant(PI, bits).shiftRight(1).subtract(a);
    }
    if (x.sign) {
      a = constant(PI, bits).subtract(a);
    }
    give(y.sign ? a.negate() : a, bits, z);
  }

  /** An angle within an eighth of a turn, and how many quarter turns were taken off. */
  public static final class Angle {
    private final BigInteger sine;
    private final BigInteger cosine;
    private final int bits;
    private final int quadrant;

    /**
     * Reduces a finite angle by the processor's pi.
     *
     * @param a not zero, below 2^63
     */
    public Angle(Num a) {
      int scale = Math.max(67, 63 - a.exp);
      BigInteger half = REDUCTION_PI.shiftLeft(scale - 67);
      BigInteger[] qr = fixed(a, scale).abs().divideAndRemainder(half);
      BigInteger q = qr[0];
      BigInteger r = qr[1];
      if (r.shiftLeft(1).compareTo(half) > 0) {
        r = r.subtract(half);
        q = q.add(ONE);
      }
      quadrant = a.sign ? -q.intValue() & 3 : q.intValue() & 3;
      r = a.sign ? r.negate() : r;
      bits = BITS + Math.max(0, scale - r.bitLength());
      BigInteger t = bits >= scale ? r.shiftLeft(bits - scale) : r.shiftRight(scale - bits);
      BigInteger square = t.multiply(t).shiftRight(bits);
      sine = series(t, square, 1);
      cosine = series(ONE.shiftLeft(bits), square, 0);
    }

    private BigInteger series(BigInteger first, BigInteger square, int from) {
      BigInteger term = first;
      BigInteger sum = first;
      for (long k = from + 1; term.bitLength() > 1; k += 2) {
        term = term.multiply(square).shiftRight(bits).divide(BigInteger.valueOf(-k * (k + 1)));
        sum = sum.add(term);
      }
      return sum;
    }

    private BigInteger turned(boolean cos) {
      boolean swap = (quadrant & 1) != 0;
      BigInteger v = swap != cos ? cosine : sine;
      boolean negative = cos ? quadrant == 1 || quadrant == 2 : quadrant >= 2;
      return negative ? v.negate() : v;
    }

    /** z := sine, unrounded. */
    public void sin(Num z) {
      give(turned(false), bits, z);
    }

    /** z := cosine, unrounded. */
    public void cos(Num z) {
      give(turned(true), bits, z);
    }

    /** z := tangent, unrounded. */
    public void tan(Num z) {
      give(turned(false).shiftLeft(bits).divide(turned(true)), bits, z);
    }
  }
}
