package dev.vesper.fuzz;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;

/** Values to lie with: those at which programs err, those that this guest was told, and others. */
final class Numbers {
  private static final long[] TELLING = {
    0,
    1,
    -1,
    2,
    7,
    8,
    16,
    32,
    64,
    0x7F,
    0x80,
    0xFF,
    0x100,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x1_0000,
    0xFFF,
    0x1000,
    0x7FFF_FFFFL,
    0x8000_0000L,
    0xFFFF_FFFFL,
    0x1_0000_0000L,
    Long.MAX_VALUE,
    Long.MIN_VALUE,
    0xFFFF_FFFF_8000_0000L,
    0x0000_7FFF_FFFF_F000L,
    0xFFFF_8000_0000_0000L
  };
  private static final int LARGEST_STEP = 35;
  private static final int MOST = 512;

  private final List<Long> known = new ArrayList<>();
  private final Set<Long> have = new HashSet<>();

  /** Learns a number that the guest was told. */
  void learn(long v) {
    if (known.size() < MOST && have.add(v)) {
      known.add(v);
    }
  }

  /** {@return how many values {@link #telling} has} */
  static int count() {
    return TELLING.length;
  }

  /** {@return one of the values at which programs err} */
  static long telling(int i) {
    return TELLING[i];
  }

  /** {@return a value in place of another one} */
  long other(long value, Random random) {
    return switch (random.nextInt(8)) {
      case 0, 1 -> value ^ 1L << random.nextInt(64);
      case 2 -> value + 1 + random.nextInt(LARGEST_STEP);
      case 3 -> value - 1 - random.nextInt(LARGEST_STEP);
      case 4, 5 -> TELLING[random.nextInt(TELLING.length)];
      case 6 -> known.isEmpty() ? random.nextLong() : known.get(random.nextInt(known.size()));
      default -> {
        int shift = 8 * random.nextInt(8);
        yield value & ~(0xFFL << shift) | (long) random.nextInt(256) << shift;
      }
    };
  }
}
