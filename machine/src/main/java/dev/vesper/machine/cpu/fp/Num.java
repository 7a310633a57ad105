package dev.vesper.machine.cpu.fp;

/**
 * An unpacked floating-point number: {@code (-1)^sign * sig / 2^63 * 2^exp} for a finite one, with
 * bit 63 of {@code sig} set. NaNs keep their fraction left-aligned below bit 63.
 */
public final class Num {
  public static final int ZERO = 0;
  public static final int FINITE = 1;
  public static final int INF = 2;
  public static final int QNAN = 3;
  public static final int SNAN = 4;

  /** An encoding that x87 instructions refuse: unnormal, pseudo-NaN, pseudo-infinity. */
  public static final int UNSUPPORTED = 5;

  public int kind;
  public boolean sign;
  public int exp;
  public long sig;

  /** Further bits below {@link #sig} while a result is being rounded; bit 0 is sticky. */
  public long low;

  /** The operand was a denormal. */
  public boolean denormal;

  public boolean isNan() {
    return kind == QNAN || kind == SNAN;
  }

  public void set(Num n) {
    kind = n.kind;
    sign = n.sign;
    exp = n.exp;
    sig = n.sig;
    low = n.low;
    denormal = n.denormal;
  }

  public void setZero(boolean s) {
    kind = ZERO;
    sign = s;
    exp = 0;
    sig = 0;
    low = 0;
    denormal = false;
  }

  public void setInf(boolean s) {
    kind = INF;
    sign = s;
    exp = 0;
    sig = 1L << 63;
    low = 0;
    denormal = false;
  }

  /** The default NaN: negative, quiet, no payload. */
  public void setIndefinite() {
    kind = QNAN;
    sign = true;
    exp = 0;
    sig = 3L << 62;
    low = 0;
    denormal = false;
  }

  /** Sets a finite number from a magnitude with any leading zeros; zero becomes ZERO. */
  public void setMagnitude(boolean s, int exponentOfBit63, long high, long lowBits) {
    sign = s;
    denormal = false;
    long h = high;
    long l = lowBits;
    int e = exponentOfBit63;
    if (h == 0) {
      h = l;
      l = 0;
      e -= 64;
    }
    if (h == 0) {
      setZero(s);
      return;
    }
    int z = Long.numberOfLeadingZeros(h);
    if (z > 0) {
      h = h << z | l >>> 64 - z;
      l <<= z;
    }
    kind = FINITE;
    exp = e - z;
    sig = h;
    low = l;
  }

  /** Unpacks a single. */
  public void fromFloat(int bits) {
    int e = bits >>> 23 & 255;
    unpack(bits < 0, e, (long) (bits & 0x7F_FFFF) << 40, e == 255, 127);
  }

  /** Unpacks a half-precision number from the low 16 bits. */
  public void fromHalf(int bits) {
    int e = bits >>> 10 & 31;
    unpack((bits & 0x8000) != 0, e, (long) (bits & 0x3FF) << 53, e == 31, 15);
  }

  /** Unpacks a double. */
  public void fromDouble(long bits) {
    int e = (int) (bits >>> 52) & 2047;
    unpack(bits < 0, e, bits << 11 & Long.MAX_VALUE, e == 2047, 1023);
  }

  private void unpack(boolean s, int e, long fraction, boolean top, int bias) {
    sign = s;
    low = 0;
    denormal = false;
    if (top) {
      sig = 1L << 63 | fraction;
      exp = 0;
      kind = fraction == 0 ? INF : (fraction & 1L << 62) != 0 ? QNAN : SNAN;
    } else if (e == 0) {
      if (fraction == 0) {
        setZero(s);
      } else {
        setMagnitude(s, 1 - bias, fraction, 0);
        denormal = true;
      }
    } else {
      kind = FINITE;
      exp = e - bias;
      sig = 1L << 63 | fraction;
    }
  }

  /** Unpacks an 80-bit number: significand, and sign with biased exponent. */
  public void fromExtended(long mantissa, int signExp) {
    sign = (signExp & 0x8000) != 0;
    int e = signExp & 0x7FFF;
    low = 0;
    denormal = false;
    sig = mantissa;
    exp = 0;
    if (e == 0x7FFF) {
      long fraction = mantissa & Long.MAX_VALUE;
      kind =
          mantissa >= 0
              ? UNSUPPORTED
              : fraction == 0 ? INF : (fraction & 1L << 62) != 0 ? QNAN : SNAN;
    } else if (e == 0) {
      if (mantissa == 0) {
        setZero(sign);
      } else {
        // Pseudo-denormals have bit 63 set and the exponent of the smallest normal number.
        setMagnitude(sign, -16382, mantissa, 0);
        denormal = true;
      }
    } else if (mantissa >= 0) {
      kind = UNSUPPORTED;
    } else {
      kind = FINITE;
      exp = e - 16383;
    }
  }

  /** Sets a signed integer. */
  public void fromLong(long v) {
    setMagnitude(v < 0, 63, v < 0 ? -v : v, 0);
    if (v == 0) {
      setZero(false);
    }
  }

  /** {@return the packed single; the number must have been rounded to it} */
  public int toFloat() {
    int s = sign ? 1 << 31 : 0;
    return switch (kind) {
      case ZERO -> s;
      case INF -> s | 0x7F80_0000;
      case FINITE ->
          exp < -126
              ? s | (int) (sig >>> 40 - exp - 126)
              : s | exp + 127 << 23 | (int) (sig >>> 40) & 0x7F_FFFF;
      default -> s | 0x7F80_0000 | (int) (sig >>> 40) & 0x7F_FFFF;
    };
  }

  /** {@return the packed half; the number must have been rounded to it} */
  public int toHalf() {
    int s = sign ? 0x8000 : 0;
    return switch (kind) {
      case ZERO -> s;
      case INF -> s | 0x7C00;
      case FINITE ->
          exp < -14
              ? s | (int) (sig >>> 53 - exp - 14)
              : s | exp + 15 << 10 | (int) (sig >>> 53) & 0x3FF;
      default -> s | 0x7C00 | (int) (sig >>> 53) & 0x3FF;
    };
  }

  /** {@return the packed double; the number must have been rounded to it} */
  public long toDouble() {
    long s = sign ? 1L << 63 : 0;
    return switch (kind) {
      case ZERO -> s;
      case INF -> s | 0x7FFL << 52;
      case FINITE ->
          exp < -1022
              ? s | sig >>> 11 - exp - 1022
              : s | (long) (exp + 1023) << 52 | sig >>> 11 & (1L << 52) - 1;
      default -> s | 0x7FFL << 52 | sig >>> 11 & (1L << 52) - 1;
    };
  }

  /** {@return the significand of the 80-bit form} */
  public long toMantissa() {
    return switch (kind) {
      case ZERO -> 0;
      case FINITE -> exp < -16382 ? sig >>> -16382 - exp : sig;
      default -> sig;
    };
  }

  /** {@return sign and biased exponent of the 80-bit form} */
  public int toSignExp() {
    int s = sign ? 0x8000 : 0;
    return switch (kind) {
      case ZERO -> s;
      case FINITE -> exp < -16382 ? s : s | exp + 16383;
      default -> s | 0x7FFF;
    };
  }
}
