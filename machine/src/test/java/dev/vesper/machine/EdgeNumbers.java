package dev.vesper.machine;

import java.util.Random;

/** Numbers near which sums and widths overflow. */
public final class EdgeNumbers {
  private static final int[] BITS = {0, 8, 12, 16, 31, 32, 47, 48, 51, 52, 62, 63};

  private EdgeNumbers() {}

  /**
   * {@return a number less than 4 KiB away from 0 or a power of two, of either sign, from a base}
   */
  public static long next(Random r, long base) {
    long edge = r.nextInt(8) == 0 ? 0 : 1L << BITS[r.nextInt(BITS.length)];
    long near = r.nextBoolean() ? r.nextInt(-16, 17) : r.nextInt(-4096, 4097);
    return (r.nextBoolean() ? edge : -edge) + near + (r.nextBoolean() ? base : 0);
  }
}
