package dev.vesper.machine.launch;

import java.math.BigInteger;

/**
 * The time-stamp counter of a guest with Secure TSC (AMD APM volume 2, 15.36.18; spec: snp 2, 6.4,
 * 7.3). It is counted from a reference clock by scale and offset of the save area, which no host
 * can write, whatever TSC offset and ratio that has.
 *
 * <p>The reference clock nominally has 100 MHz. Its spectrum is spread, so that it is slower by
 * {@link SecretsPage#FACTOR} hundred-thousandths in the mean, which the firmware tells guests.
 *
 * @param scale ticks of the counter per tick of the reference clock, an unsigned fixed-point number
 *     with 32 bits behind the point and 8 before it; what else a save area has there is ignored
 * @param offset what is added
 */
public record SecureTsc(long scale, long offset) {
  /** What LAUNCH_START asks for if nobody says a frequency: that of the host's own counter. */
  public static final long HOST_KILOHERTZ = 1_000_000;

  /** The fastest that a scale can express and that is a whole number of kilohertz. */
  public static final long MOST_KILOHERTZ = 25_599_999;

  private static final int REFERENCE_KILOHERTZ = 100_000;
  private static final int REFERENCE_MEGAHERTZ = 100;
  private static final int POINT = 32;
  private static final long SCALE = (1L << POINT + 8) - 1;
  private static final long MEGAHERTZ = 0x3_FFFF;
  private static final int HUNDRED_THOUSAND = 100_000;
  private static final int NANOSECONDS_PER_MILLISECOND = 1_000_000;

  /** Ticks of the reference clock in a millisecond, in the mean. */
  private static final int MEAN_KILOHERTZ =
      REFERENCE_KILOHERTZ - REFERENCE_KILOHERTZ / HUNDRED_THOUSAND * SecretsPage.FACTOR;

  public SecureTsc {
    scale &= SCALE;
  }

  /**
   * {@return what the secure processor puts into a launched save area}
   *
   * @param kilohertz the frequency that LAUNCH_START asked for, 1 to {@link #MOST_KILOHERTZ}
   */
  public static SecureTsc ofKilohertz(long kilohertz) {
    assert kilohertz > 0 && kilohertz <= MOST_KILOHERTZ : kilohertz;
    long up = (kilohertz << POINT) + REFERENCE_KILOHERTZ - 1;
    return new SecureTsc(up / REFERENCE_KILOHERTZ, 0);
  }

  /** {@return ticks per nanosecond in the mean, with 32 bits behind the point, rounded up} */
  private long rate() {
    return (scale * MEAN_KILOHERTZ + NANOSECONDS_PER_MILLISECOND - 1) / NANOSECONDS_PER_MILLISECOND;
  }

  /** {@return the counter at a time in nanoseconds} */
  public long at(long nanos) {
    long r = rate();
    return (Math.multiplyHigh(nanos, r) << POINT | nanos * r >>> POINT) + offset;
  }

  /** {@return the time in nanoseconds at which the counter has reached a value} */
  public long reaches(long count) {
    long r = rate();
    BigInteger ticks = new BigInteger(Long.toUnsignedString(count - offset));
    return r == 0
        ? Long.MAX_VALUE
        : ticks
            .shiftLeft(POINT)
            .add(BigInteger.valueOf(r - 1))
            .divide(BigInteger.valueOf(r))
            .min(BigInteger.valueOf(Long.MAX_VALUE))
            .longValue();
  }

  /**
   * The length of a tick as a paravirtual clock tells it: ticks shifted to the left, or to the
   * right if that is negative, times the multiplier, give 2<sup>32</sup>nds of nanoseconds.
   *
   * @param multiplier 32 bits
   */
  public record TickLength(long multiplier, int shift) {}

  /** {@return the length of a tick in the mean} */
  public TickLength tick() {
    BigInteger r = BigInteger.valueOf(Math.max(1, rate()));
    for (int shift = -POINT; ; shift++) {
      BigInteger m = BigInteger.ONE.shiftLeft(2 * POINT - shift).divide(r);
      if (m.bitLength() <= POINT) {
        return new TickLength(m.longValue(), shift);
      }
    }
  }

  /** {@return the nominal frequency as GUEST_TSC_FREQ reads} */
  public long megahertz() {
    return scale * REFERENCE_MEGAHERTZ >>> POINT & MEGAHERTZ;
  }
}
