package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;

/** AVX and AVX2 permutations, blends and shifts whose every element has its own control. */
final class AvxPermutes {
  private AvxPermutes() {}

  static void register(Families f) {
    f.add("vpermilps", (o, c) -> inLane(o, c, 32));
    f.add("vpermilpd", (o, c) -> inLane(o, c, 64));
    f.add("vperm2f128", AvxPermutes::lanes);
    f.add("vperm2i128", AvxPermutes::lanes);
    f.add("vpermps", (o, c) -> across(o, c, 32));
    f.add("vpermd", (o, c) -> across(o, c, 32));
    f.add("vpermw", (o, c) -> across(o, c, 16));
    f.add("vpermb", (o, c) -> across(o, c, 8));
    f.add("vpermq", AvxPermutes::quadwords);
    f.add("vpermpd", AvxPermutes::quadwords);
    f.add("vpblendd", (o, c) -> Sse41.blendByImmediate(o, c, 32));
    f.add("vpsllvd", (o, c) -> shift(o, c, 32, 0));
    f.add("vpsllvq", (o, c) -> shift(o, c, 64, 0));
    f.add("vpsrlvd", (o, c) -> shift(o, c, 32, 1));
    f.add("vpsrlvq", (o, c) -> shift(o, c, 64, 1));
    f.add("vpsravd", (o, c) -> shift(o, c, 32, 2));
    f.add("vpsravq", (o, c) -> shift(o, c, 64, 2));
    f.add("vpsllvw", (o, c) -> shift(o, c, 16, 0));
    f.add("vpsrlvw", (o, c) -> shift(o, c, 16, 1));
    f.add("vpsravw", (o, c) -> shift(o, c, 16, 2));
  }

  /** Elements move within their lane; the control is an immediate or a vector. */
  private static void inLane(MemOp o, Cpu c, int width) {
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    boolean immediate = !o.insn.form().immediates().isEmpty();
    long[] data = immediate ? b : Vectors.first(o, c);
    long[] z = new long[o.quads];
    int n = 128 / width;
    for (int i = 0; i < 64 * o.quads / width; i++) {
      long control;
      if (!immediate) {
        control = PackedShuffles.element(b, i, width) >> (width == 64 ? 1 : 0);
      } else {
        control = width == 64 ? o.insn.imm >> i : o.insn.imm >> 2 * (i & 3);
      }
      int from = i / n * n + ((int) control & n - 1);
      PackedShuffles.set(z, i, width, PackedShuffles.element(data, from, width));
    }
    Vectors.put(o, c, z);
  }

  /** Two bits of the immediate choose each lane from four; bit 3 of the four clears it. */
  private static void lanes(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    long[] a = Vectors.first(o, c);
    long[] z = new long[4];
    for (int i = 0; i < 2; i++) {
      int s = (int) o.insn.imm >> 4 * i;
      long[] from = (s & 2) != 0 ? b : a;
      if ((s & 8) == 0) {
        z[2 * i] = from[2 * (s & 1)];
        z[2 * i + 1] = from[2 * (s & 1) + 1];
      }
    }
    Vectors.put(o, c, z);
  }

  /** Elements of the second source by the indexes in the first, across the whole register. */
  private static void across(MemOp o, Cpu c, int width) {
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    long[] control = Vectors.first(o, c);
    long[] z = new long[o.quads];
    int n = 64 * o.quads / width;
    for (int i = 0; i < n; i++) {
      int from = (int) PackedShuffles.element(control, i, width) & n - 1;
      PackedShuffles.set(z, i, width, PackedShuffles.element(b, from, width));
    }
    Vectors.put(o, c, z);
  }

  /** Quadwords by an immediate within 256 bits, or by a vector. */
  private static void quadwords(MemOp o, Cpu c) {
    if (o.insn.form().immediates().isEmpty()) {
      across(o, c, 64);
      return;
    }
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    long[] z = new long[o.quads];
    for (int i = 0; i < z.length; i++) {
      z[i] = b[(i & ~3) + ((int) o.insn.imm >> 2 * (i & 3) & 3)];
    }
    Vectors.put(o, c, z);
  }

  /**
   * Shifts each element by its own count.
   *
   * @param kind 0 left, 1 right, 2 right with the sign
   */
  private static void shift(MemOp o, Cpu c, int width, int kind) {
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    long[] a = Vectors.first(o, c);
    long[] z = new long[o.quads];
    for (int i = 0; i < 64 * o.quads / width; i++) {
      long count = PackedShuffles.element(b, i, width);
      boolean over = Long.compareUnsigned(count, width) >= 0;
      int n = over ? width - 1 : (int) count;
      long v = PackedShuffles.element(a, i, width);
      long e =
          switch (kind) {
            case 0 -> over ? 0 : v << n;
            case 1 -> over ? 0 : v >>> n;
            default -> Ssse3.signed(a, i, width) >> n;
          };
      PackedShuffles.set(z, i, width, e);
    }
    Vectors.put(o, c, z);
  }
}
