package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.x86.OperandKind;
import java.util.function.LongBinaryOperator;

/** AVX-512 integer arithmetic that has no older form, element by element. */
final class Avx512Integer {
  /** Computes an element of the result from the old one and the two sources. */
  private interface Element {
    long of(long old, long a, long b, int imm);
  }

  private Avx512Integer() {}

  static void register(Families f) {
    String[] names = {"b", "w", "d", "q"};
    for (int i = 0; i < 4; i++) {
      int w = 8 << i;
      String t = names[i];
      compare(f, "vpcmp" + t, w, (a, b) -> Long.compare(sign(a, w), sign(b, w)));
      compare(f, "vpcmpu" + t, w, Long::compareUnsigned);
      toMask(f, "vptestm" + t, w, (a, b, imm) -> (a & b) != 0);
      toMask(f, "vptestnm" + t, w, (a, b, imm) -> (a & b) == 0);
      toMask(f, "vpcmpeq" + t + Families.TO_MASK, w, (a, b, imm) -> a == b);
      toMask(f, "vpcmpgt" + t + Families.TO_MASK, w, (a, b, imm) -> sign(a, w) > sign(b, w));
      each(f, "vpopcnt" + t, w, (old, a, b, imm) -> Long.bitCount(b));
    }
    for (int w : new int[] {32, 64}) {
      String t = w == 32 ? "d" : "q";
      each(f, "vpternlog" + t, w, Avx512Integer::ternary);
      each(f, "vprol" + t, w, (old, a, b, imm) -> rotate(b, imm, w));
      each(f, "vpror" + t, w, (old, a, b, imm) -> rotate(b, -imm, w));
      each(f, "vprolv" + t, w, (old, a, b, imm) -> rotate(a, (int) b, w));
      each(f, "vprorv" + t, w, (old, a, b, imm) -> rotate(a, (int) -b, w));
      each(f, "vplzcnt" + t, w, (old, a, b, imm) -> Long.numberOfLeadingZeros(b) - (64 - w));
      f.add("vpconflict" + t, (o, c) -> conflict(o, c, w));
    }
    each(f, "vpminsq", 64, (old, a, b, imm) -> Math.min(a, b));
    each(f, "vpmaxsq", 64, (old, a, b, imm) -> Math.max(a, b));
    each(f, "vpminuq", 64, (old, a, b, imm) -> Long.compareUnsigned(a, b) < 0 ? a : b);
    each(f, "vpmaxuq", 64, (old, a, b, imm) -> Long.compareUnsigned(a, b) > 0 ? a : b);
    each(f, "vpabsq", 64, (old, a, b, imm) -> Math.abs(b));
    each(f, "vpmullq", 64, (old, a, b, imm) -> a * b);
    for (int w : new int[] {16, 32, 64}) {
      String t = w == 16 ? "w" : w == 32 ? "d" : "q";
      each(f, "vpshld" + t, w, (old, a, b, imm) -> concatenate(a, b, imm & w - 1, w));
      each(f, "vpshrd" + t, w, (old, a, b, imm) -> concatenate(b, a, w - (imm & w - 1), w));
      each(f, "vpshldv" + t, w, (old, a, b, imm) -> concatenate(old, a, (int) b & w - 1, w));
      each(f, "vpshrdv" + t, w, (old, a, b, imm) -> concatenate(a, old, w - ((int) b & w - 1), w));
    }
    each(f, "vpdpbusd", 32, (old, a, b, imm) -> bytes(old, a, b, false));
    each(f, "vpdpbusds", 32, (old, a, b, imm) -> bytes(old, a, b, true));
    each(f, "vpdpwssd", 32, (old, a, b, imm) -> words(old, a, b, false));
    each(f, "vpdpwssds", 32, (old, a, b, imm) -> words(old, a, b, true));
    each(f, "vpmadd52luq", 64, (old, a, b, imm) -> old + (cut(a) * cut(b) & CUT));
    each(
        f,
        "vpmadd52huq",
        64,
        (old, a, b, imm) ->
            old + (Math.multiplyHigh(cut(a), cut(b)) << 12 | cut(a) * cut(b) >>> 52));
    f.add("vpmultishiftqb", Avx512Integer::multishift);
    f.add("vpshufbitqmb", Avx512Integer::gatherBits);
    f.add("vdbpsadbw", Avx512Integer::sums);
  }

  private static final long CUT = (1L << 52) - 1;

  private static long cut(long v) {
    return v & CUT;
  }

  private static long sign(long v, int width) {
    int s = 64 - width;
    return v << s >> s;
  }

  private static void each(Families f, String name, int width, Element e) {
    f.add(
        name,
        (o, c) -> {
          Vectors.enter(o, c);
          long[] b = Vectors.second(o, c);
          long[] a = Vectors.first(o, c);
          long[] old = Vectors.register(c, o.reg, o.quads);
          long[] z = new long[o.quads];
          for (int i = 0; i < 64 * o.quads / width; i++) {
            long v =
                e.of(
                    PackedShuffles.element(old, i, width),
                    PackedShuffles.element(a, i, width),
                    PackedShuffles.element(b, i, width),
                    (int) o.insn.imm & 0xFF);
            PackedShuffles.set(z, i, width, v);
          }
          // A rotate by an immediate has its destination in vvvv.
          boolean digit = o.insn.form().operands.get(0).kind() == OperandKind.VECTOR_VVVV;
          Vectors.put(o, c, digit ? o.insn.vvvv : o.reg, z);
        });
  }

  /** Says whether a bit of a mask is set for two elements. */
  private interface Test {
    boolean holds(long a, long b, int imm);
  }

  /** Registers an operation that gives a bit for each element that the mask lets through. */
  private static void toMask(Families f, String name, int width, Test test) {
    f.add(
        name,
        (o, c) -> {
          Vectors.enter(o, c);
          long[] b = Vectors.second(o, c);
          long[] a = Vectors.first(o, c);
          long on = Vectors.active(o, c);
          long z = 0;
          for (int i = 0; i < 64 * o.quads / width; i++) {
            long x = PackedShuffles.element(a, i, width);
            long y = PackedShuffles.element(b, i, width);
            z |= test.holds(x, y, (int) o.insn.imm) ? on & 1L << i : 0;
          }
          c.k[o.reg & 7] = z;
        });
  }

  private static void compare(Families f, String name, int width, LongBinaryOperator order) {
    toMask(f, name, width, (a, b, imm) -> predicate(order.applyAsLong(a, b), imm));
  }

  private static boolean predicate(long order, int imm) {
    boolean v =
        switch (imm & 3) {
          case 0 -> order == 0;
          case 1 -> order < 0;
          case 2 -> order <= 0;
          default -> false;
        };
    return v ^ (imm & 4) != 0;
  }

  private static long ternary(long old, long a, long b, int imm) {
    long z = 0;
    for (int i = 0; i < 8; i++) {
      if ((imm >> i & 1) != 0) {
        z |= ((i & 4) != 0 ? old : ~old) & ((i & 2) != 0 ? a : ~a) & ((i & 1) != 0 ? b : ~b);
      }
    }
    return z;
  }

  private static long rotate(long v, int count, int width) {
    return width == 64
        ? Long.rotateLeft(v, count)
        : Integer.rotateLeft((int) v, count) & 0xFFFF_FFFFL;
  }

  /**
   * {@return the upper part of high:low shifted left}
   *
   * @param count 0 to width
   */
  private static long concatenate(long high, long low, int count, int width) {
    long h = count == 64 ? 0 : high << count;
    return count == 0 ? high : h | (low & -1L >>> 64 - width) >>> width - count;
  }

  private static long saturate(long v, boolean on) {
    return on ? Math.max(Integer.MIN_VALUE, Math.min(Integer.MAX_VALUE, v)) : v;
  }

  private static long bytes(long old, long a, long b, boolean saturating) {
    long sum = (int) old;
    for (int i = 0; i < 32; i += 8) {
      sum += (a >>> i & 0xFF) * (byte) (b >>> i);
    }
    return saturate(sum, saturating);
  }

  private static long words(long old, long a, long b, boolean saturating) {
    long sum = (int) old;
    for (int i = 0; i < 32; i += 16) {
      sum += (long) (short) (a >>> i) * (short) (b >>> i);
    }
    return saturate(sum, saturating);
  }

  /** Bits of the earlier elements that are equal. */
  private static void conflict(MemOp o, Cpu c, int width) {
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    long[] z = new long[o.quads];
    for (int i = 0; i < 64 * o.quads / width; i++) {
      long equal = 0;
      for (int k = 0; k < i; k++) {
        if (PackedShuffles.element(b, k, width) == PackedShuffles.element(b, i, width)) {
          equal |= 1L << k;
        }
      }
      PackedShuffles.set(z, i, width, equal);
    }
    Vectors.put(o, c, z);
  }

  private static void multishift(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    long[] a = Vectors.first(o, c);
    long[] z = new long[o.quads];
    for (int i = 0; i < 8 * o.quads; i++) {
      int shift = (int) PackedShuffles.element(a, i, 8) & 63;
      PackedShuffles.set(z, i, 8, Long.rotateRight(b[i >> 3], shift));
    }
    Vectors.put(o, c, z);
  }

  private static void gatherBits(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    long[] a = Vectors.first(o, c);
    long z = 0;
    for (int i = 0; i < 8 * o.quads; i++) {
      int bit = (int) PackedShuffles.element(b, i, 8) & 63;
      z |= (a[i >> 3] >>> bit & 1) << i;
    }
    c.k[o.reg & 7] = z & Vectors.active(o, c);
  }

  /** VDBPSADBW: sums of differences of four bytes; imm chooses doublewords of the second source. */
  private static void sums(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    long[] a = Vectors.first(o, c);
    long[] t = new long[o.quads];
    for (int i = 0; i < 2 * o.quads; i++) {
      int from = (i & ~3) + ((int) o.insn.imm >> 2 * (i & 3) & 3);
      PackedShuffles.set(t, i, 32, PackedShuffles.element(b, from, 32));
    }
    long[] z = new long[o.quads];
    for (int i = 0; i < 4 * o.quads; i++) {
      // Pairs of sums use the same four bytes of the first source and bytes one apart.
      int first = i / 4 * 8 + ((i & 2) != 0 ? 4 : 0);
      int second = i / 4 * 8 + (i & 3);
      long sum = 0;
      for (int k = 0; k < 4; k++) {
        sum +=
            Math.abs(
                PackedShuffles.element(a, first + k, 8) - PackedShuffles.element(t, second + k, 8));
      }
      PackedShuffles.set(z, i, 16, sum);
    }
    Vectors.put(o, c, z);
  }
}
