package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;

/** SSSE3: shuffles by a register, horizontal sums, signs, absolute values, rounded products. */
final class Ssse3 {
  private Ssse3() {}

  static void register(Families f) {
    PackedShuffles.vector(f, "pshufb", Ssse3::shuffle);
    PackedShuffles.vector(f, "phaddw", (a, b, z) -> horizontal(a, b, z, 16, false, false));
    PackedShuffles.vector(f, "phaddd", (a, b, z) -> horizontal(a, b, z, 32, false, false));
    PackedShuffles.vector(f, "phaddsw", (a, b, z) -> horizontal(a, b, z, 16, false, true));
    PackedShuffles.vector(f, "phsubw", (a, b, z) -> horizontal(a, b, z, 16, true, false));
    PackedShuffles.vector(f, "phsubd", (a, b, z) -> horizontal(a, b, z, 32, true, false));
    PackedShuffles.vector(f, "phsubsw", (a, b, z) -> horizontal(a, b, z, 16, true, true));
    PackedShuffles.vector(f, "pmaddubsw", Ssse3::multiplyAdd);
    for (int[] w : new int[][] {{8, 'b'}, {16, 'w'}, {32, 'd'}}) {
      MmxOps.lanes(
          f,
          "psign" + (char) w[1],
          (a, b) -> MmxOps.each(a, b, w[0], (x, y) -> y < 0 ? -x : y == 0 ? 0 : x));
      MmxOps.lanes(
          f, "pabs" + (char) w[1], (a, b) -> MmxOps.each(a, b, w[0], (x, y) -> Math.abs(y)));
    }
    MmxOps.lanes(f, "pmulhrsw", (a, b) -> MmxOps.each(a, b, 16, (x, y) -> (x * y >> 14) + 1 >> 1));
    f.both("palignr", Ssse3::align);
  }

  private static void shuffle(long[] a, long[] b, long[] z) {
    int n = a.length * 8;
    for (int i = 0; i < n; i++) {
      long s = PackedShuffles.element(b, i, 8);
      if (s < 128) {
        PackedShuffles.set(z, i, 8, PackedShuffles.element(a, (int) s & n - 1, 8));
      }
    }
  }

  static long signed(long[] v, int i, int width) {
    int s = 64 - width;
    return PackedShuffles.element(v, i, width) << s >> s;
  }

  private static void horizontal(
      long[] a, long[] b, long[] z, int width, boolean subtract, boolean saturate) {
    int n = a.length * 64 / width;
    for (int i = 0; i < n; i++) {
      long[] from = i < n / 2 ? a : b;
      int k = 2 * (i % (n / 2));
      long x = signed(from, k, width);
      long y = signed(from, k + 1, width);
      long v = subtract ? x - y : x + y;
      PackedShuffles.set(z, i, width, saturate ? Math.max(-32768, Math.min(32767, v)) : v);
    }
  }

  private static void multiplyAdd(long[] a, long[] b, long[] z) {
    for (int i = 0; i < a.length * 4; i++) {
      long v =
          PackedShuffles.element(a, 2 * i, 8) * signed(b, 2 * i, 8)
              + PackedShuffles.element(a, 2 * i + 1, 8) * signed(b, 2 * i + 1, 8);
      PackedShuffles.set(z, i, 16, Math.max(-32768, Math.min(32767, v)));
    }
  }

  /** The two operands as one, moved down by bytes. */
  private static void align(MemOp o, Cpu c) {
    int bytes = (int) o.insn.imm & 0xFF;
    PackedShuffles.binary(
        o,
        c,
        (a, b, z) -> {
          int n = a.length * 8;
          for (int i = 0; i < n; i++) {
            int from = i + bytes;
            long v =
                from < n
                    ? PackedShuffles.element(b, from, 8)
                    : from < 2 * n ? PackedShuffles.element(a, from - n, 8) : 0;
            PackedShuffles.set(z, i, 8, v);
          }
        });
  }
}
