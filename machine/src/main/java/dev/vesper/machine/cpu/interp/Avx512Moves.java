package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;

/** AVX-512 moves that have no older form: blends, two-source permutes, packing, narrowing. */
final class Avx512Moves {
  private Avx512Moves() {}

  static void register(Families f) {
    for (String n : new String[] {"b", "w", "d", "q", "ps", "pd"}) {
      int w = width(n);
      f.add("vpermi2" + n, (o, c) -> twoSources(o, c, w, true));
      f.add("vpermt2" + n, (o, c) -> twoSources(o, c, w, false));
      String p = n.length() == 2 ? "" : "p";
      f.add("v" + p + "compress" + n, (o, c) -> compress(o, c, w));
      f.add("v" + p + "expand" + n, (o, c) -> expand(o, c, w));
      f.add("v" + p + "blendm" + n, Avx512Moves::blend);
    }
    f.add("valignd", (o, c) -> align(o, c, 32));
    f.add("valignq", (o, c) -> align(o, c, 64));
    for (String t : new String[] {"f32x4", "f64x2", "i32x4", "i64x2"}) {
      f.add("vshuf" + t, Avx512Moves::shuffleLanes);
    }
    String[] narrow = {"wb", "db", "qb", "dw", "qw", "qd"};
    for (String n : narrow) {
      int from = width(n.substring(0, 1));
      int to = width(n.substring(1));
      f.add("vpmov" + n, (o, c) -> narrow(o, c, from, to, 0));
      f.add("vpmovs" + n, (o, c) -> narrow(o, c, from, to, 1));
      f.add("vpmovus" + n, (o, c) -> narrow(o, c, from, to, 2));
    }
  }

  private static int width(String name) {
    return switch (name) {
      case "b" -> 8;
      case "w" -> 16;
      case "d", "ps" -> 32;
      default -> 64;
    };
  }

  /** The mask chooses the second source; zeroing clears what it does not choose. */
  private static void blend(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    int w = 8 * o.insn.form().elementBytes;
    long[] b = Vectors.second(o, c);
    long[] a = Vectors.first(o, c);
    long on = Vectors.active(o, c);
    for (int i = 0; i < 64 * o.quads / w; i++) {
      if ((on >>> i & 1) == 0) {
        PackedShuffles.clear(b, i, w);
        if (!o.insn.zeroing) {
          PackedShuffles.set(b, i, w, PackedShuffles.element(a, i, w));
        }
      }
    }
    Vectors.putAll(o, c, o.reg, b);
  }

  /**
   * Elements of two sources by index.
   *
   * @param indexed the destination holds the indexes; otherwise VEX.vvvv does, and the destination
   *     is the first source
   */
  private static void twoSources(MemOp o, Cpu c, int width, boolean indexed) {
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    long[] v = Vectors.first(o, c);
    long[] d = Vectors.register(c, o.reg, o.quads);
    long[] index = indexed ? d : v;
    long[] a = indexed ? v : d;
    long[] z = new long[o.quads];
    int n = 64 * o.quads / width;
    for (int i = 0; i < n; i++) {
      int from = (int) PackedShuffles.element(index, i, width) & 2 * n - 1;
      PackedShuffles.set(
          z, i, width, PackedShuffles.element(from >= n ? b : a, from & n - 1, width));
    }
    Vectors.put(o, c, z);
  }

  /** The chosen elements of the reg operand, one after the other. */
  private static void compress(MemOp o, Cpu c, int width) {
    Vectors.enter(o, c);
    long[] v = Vectors.register(c, o.reg, o.quads);
    long on = Vectors.active(o, c);
    int n = 64 * o.quads / width;
    long[] z = o.mem || o.insn.zeroing ? new long[o.quads] : Vectors.register(c, o.rm, o.quads);
    int count = 0;
    for (int i = 0; i < n; i++) {
      if ((on >>> i & 1) != 0) {
        PackedShuffles.clear(z, count, width);
        PackedShuffles.set(z, count++, width, PackedShuffles.element(v, i, width));
      }
    }
    if (!o.mem) {
      Vectors.putAll(o, c, o.rm, z);
      return;
    }
    int bytes = width / 8;
    if (count > 0) {
      long la = o.la(c, count * bytes, true);
      c.probeWrite(la, count * bytes);
      for (int i = 0; i < count; i++) {
        c.wr(la + (long) i * bytes, bytes, PackedShuffles.element(z, i, width));
      }
    }
  }

  /** Consecutive elements of the r/m operand, to where the mask says. */
  private static void expand(MemOp o, Cpu c, int width) {
    Vectors.enter(o, c);
    long on = Vectors.active(o, c);
    int n = 64 * o.quads / width;
    int bytes = width / 8;
    long[] v = o.mem ? new long[o.quads] : Vectors.register(c, o.rm, o.quads);
    if (o.mem) {
      int count = Long.bitCount(n == 64 ? on : on & (1L << n) - 1);
      long la = o.la(c, Math.max(1, count * bytes), false);
      for (int i = 0; i < count; i++) {
        PackedShuffles.set(v, i, width, c.rd(la + (long) i * bytes, bytes));
      }
    }
    long[] z = new long[o.quads];
    int from = 0;
    for (int i = 0; i < n; i++) {
      if ((on >>> i & 1) != 0) {
        PackedShuffles.set(z, i, width, PackedShuffles.element(v, from++, width));
      }
    }
    Vectors.put(o, c, z);
  }

  private static void align(MemOp o, Cpu c, int width) {
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    long[] a = Vectors.first(o, c);
    long[] z = new long[o.quads];
    int n = 64 * o.quads / width;
    int shift = (int) o.insn.imm & n - 1;
    for (int i = 0; i < n; i++) {
      int from = i + shift;
      PackedShuffles.set(
          z, i, width, PackedShuffles.element(from < n ? b : a, from & n - 1, width));
    }
    Vectors.put(o, c, z);
  }

  /** Lanes of 128 bits: the lower half of the result from the first source, the upper from both. */
  private static void shuffleLanes(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    long[] a = Vectors.first(o, c);
    long[] z = new long[o.quads];
    int lanes = o.quads / 2;
    int bits = lanes == 4 ? 2 : 1;
    for (int i = 0; i < lanes; i++) {
      int from = (int) o.insn.imm >> bits * i & lanes - 1;
      long[] s = i < lanes / 2 ? a : b;
      z[2 * i] = s[2 * from];
      z[2 * i + 1] = s[2 * from + 1];
    }
    Vectors.put(o, c, z);
  }

  /**
   * Elements of the reg operand cut to a narrower width.
   *
   * @param saturation 0 none, 1 signed, 2 unsigned
   */
  private static void narrow(MemOp o, Cpu c, int from, int to, int saturation) {
    Vectors.enter(o, c);
    long[] v = Vectors.register(c, o.reg, o.quads);
    int n = 64 * o.quads / from;
    long[] z = new long[Math.max(2, n * to / 64)];
    long max = saturation == 1 ? (1L << to - 1) - 1 : -1L >>> 64 - to;
    for (int i = 0; i < n; i++) {
      long e = PackedShuffles.element(v, i, from);
      if (saturation == 1) {
        int s = 64 - from;
        e = Math.max(-max - 1, Math.min(max, e << s >> s));
      } else if (saturation == 2 && Long.compareUnsigned(e, max) > 0) {
        e = max;
      }
      PackedShuffles.set(z, i, to, e);
    }
    if (o.mem) {
      Vectors.putRm(o, c, z, n * to / 8);
    } else {
      Vectors.put(o, c, o.rm, z, n);
    }
  }
}
