package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.x86.OperandKind;

/**
 * Packing, unpacking, shuffles, inserts and mask moves of packed integers. Those of YMM registers
 * work on each 128-bit lane alone.
 */
final class PackedShuffles {
  private PackedShuffles() {}

  /** A two-operand operation on registers of any width, in elements. */
  interface Vector {
    /** Computes z from a and b; all have the same number of quadwords. */
    void run(long[] a, long[] b, long[] z);
  }

  static void register(Families f) {
    vector(f, "punpcklbw", (a, b, z) -> unpack(a, b, z, 8, false));
    vector(f, "punpcklwd", (a, b, z) -> unpack(a, b, z, 16, false));
    vector(f, "punpckldq", (a, b, z) -> unpack(a, b, z, 32, false));
    vector(f, "punpcklqdq", (a, b, z) -> unpack(a, b, z, 64, false));
    vector(f, "punpckhbw", (a, b, z) -> unpack(a, b, z, 8, true));
    vector(f, "punpckhwd", (a, b, z) -> unpack(a, b, z, 16, true));
    vector(f, "punpckhdq", (a, b, z) -> unpack(a, b, z, 32, true));
    vector(f, "punpckhqdq", (a, b, z) -> unpack(a, b, z, 64, true));
    vector(f, "packsswb", (a, b, z) -> pack(a, b, z, 16, -128, 127));
    vector(f, "packuswb", (a, b, z) -> pack(a, b, z, 16, 0, 255));
    vector(f, "packssdw", (a, b, z) -> pack(a, b, z, 32, -32768, 32767));
    f.both("pshufd", PackedShuffles::pshufd);
    f.both("pshuflw", (o, c) -> shuffleWords(o, c, false));
    f.both("pshufhw", (o, c) -> shuffleWords(o, c, true));
    f.add("pshufw", PackedShuffles::pshufw);
    f.both("pslldq", (o, c) -> byteShift(o, c, true));
    f.both("psrldq", (o, c) -> byteShift(o, c, false));
    f.both("pinsrw", PackedShuffles::pinsrw);
    f.both("pextrw", PackedShuffles::pextrw);
    f.both("pmovmskb", PackedShuffles::pmovmskb);
    f.add("maskmovq", (o, c) -> maskedStore(o, c, false));
    f.both("maskmovdqu", (o, c) -> maskedStore(o, c, true));
  }

  /** Registers an operation on MMX registers and on each lane of XMM and YMM registers. */
  static void vector(Families f, String name, Vector v) {
    f.both(name, (o, c) -> binary(o, c, v));
  }

  /** Executes an operation on the registers of a form. */
  static void binary(MemOp o, Cpu c, Vector v) {
    if (o.quads != 0) {
      Vectors.enter(o, c);
      byLane(o, c, Vectors.second(o, c), v);
      return;
    }
    MmxOps.enter(c);
    long[] b = {MmxOps.mmx(o, c, o.insn.form().operands.get(1).bytes(o.insn))};
    long[] a = {c.fpMant[o.reg & 7]};
    long[] z = new long[1];
    v.run(a, b, z);
    MmxOps.put(c, o.reg & 7, z[0]);
  }

  /** Applies an operation to each 128-bit lane of the first source and of {@code b}. */
  static void byLane(MemOp o, Cpu c, long[] b, Vector v) {
    long[] a = Vectors.first(o, c);
    long[] x = new long[2];
    long[] y = new long[2];
    for (int i = 0; i < b.length; i += 2) {
      x[0] = a[i];
      x[1] = a[i + 1];
      y[0] = b[i];
      y[1] = b[i + 1];
      long[] z = new long[2];
      v.run(x, y, z);
      b[i] = z[0];
      b[i + 1] = z[1];
    }
    Vectors.put(o, c, b);
  }

  /** {@return an element, zero-extended} */
  static long element(long[] v, int i, int width) {
    int bit = i * width;
    return v[bit >> 6] >>> (bit & 63) & -1L >>> 64 - width;
  }

  /** Makes an element zero. */
  static void clear(long[] v, int i, int width) {
    int bit = i * width;
    v[bit >> 6] &= ~(-1L >>> 64 - width << (bit & 63));
  }

  /** Puts an element where zero is. */
  static void set(long[] v, int i, int width, long e) {
    int bit = i * width;
    v[bit >> 6] |= (e & -1L >>> 64 - width) << (bit & 63);
  }

  static void unpack(long[] a, long[] b, long[] z, int width, boolean high) {
    int n = a.length * 64 / width;
    int from = high ? n / 2 : 0;
    for (int i = 0; i < n / 2; i++) {
      set(z, 2 * i, width, element(a, from + i, width));
      set(z, 2 * i + 1, width, element(b, from + i, width));
    }
  }

  static void pack(long[] a, long[] b, long[] z, int width, long low, long high) {
    int n = a.length * 64 / width;
    int s = 64 - width;
    for (int i = 0; i < 2 * n; i++) {
      long v = element(i < n ? a : b, i % n, width) << s >> s;
      set(z, i, width / 2, Math.max(low, Math.min(high, v)));
    }
  }

  private static void pshufd(MemOp o, Cpu c) {
    binary(
        o,
        c,
        (a, b, z) -> {
          for (int i = 0; i < 4; i++) {
            set(z, i, 32, element(b, (int) o.insn.imm >> 2 * i & 3, 32));
          }
        });
  }

  private static long words(long v, int selector) {
    long z = 0;
    for (int i = 0; i < 4; i++) {
      z |= (v >>> 16 * (selector >> 2 * i & 3) & 0xFFFF) << 16 * i;
    }
    return z;
  }

  private static void shuffleWords(MemOp o, Cpu c, boolean high) {
    int sel = (int) o.insn.imm;
    binary(
        o,
        c,
        (a, b, z) -> {
          z[0] = high ? b[0] : words(b[0], sel);
          z[1] = high ? words(b[1], sel) : b[1];
        });
  }

  private static void pshufw(MemOp o, Cpu c) {
    MmxOps.enter(c);
    long v = MmxOps.mmx(o, c, 8);
    MmxOps.put(c, o.reg & 7, words(v, (int) o.insn.imm));
  }

  private static void byteShift(MemOp o, Cpu c, boolean left) {
    Vectors.enter(o, c);
    int n = Math.min(16, (int) o.insn.imm & 0xFF) * 8;
    long[] v = Vectors.second(o, c);
    for (int i = 0; i < v.length && n != 0; i += 2) {
      long lo = v[i];
      long hi = v[i + 1];
      if (left) {
        v[i + 1] = n >= 128 ? 0 : n >= 64 ? lo << n - 64 : hi << n | lo >>> 64 - n;
        v[i] = n >= 64 ? 0 : lo << n;
      } else {
        v[i] = n >= 128 ? 0 : n >= 64 ? hi >>> n - 64 : lo >>> n | hi << 64 - n;
        v[i + 1] = n >= 64 ? 0 : hi >>> n;
      }
    }
    Vectors.put(o, c, MmxOps.shiftTarget(o), v);
  }

  private static void pinsrw(MemOp o, Cpu c) {
    if (o.quads != 0) {
      Sse41.insert(o, c, 2);
      return;
    }
    MmxOps.enter(c);
    long v = o.mem ? c.rd16(o.la(c, 2, false)) : c.r[o.rm] & 0xFFFF;
    int shift = 16 * ((int) o.insn.imm & 3);
    int d = o.reg & 7;
    MmxOps.put(c, d, c.fpMant[d] & ~(0xFFFFL << shift) | v << shift);
  }

  private static void pextrw(MemOp o, Cpu c) {
    if (o.insn.form().operands.get(0).kind() == OperandKind.RM) {
      Sse41.extract(o, c, 2);
      return;
    }
    boolean wide = o.quads != 0;
    if (wide) {
      Vectors.enter(o, c);
    } else {
      MmxOps.enter(c);
      MmxOps.touch(c);
    }
    int i = (int) o.insn.imm & (wide ? 7 : 3);
    long v = wide ? Vectors.register(c, o.rm, 2)[i >> 2] : c.fpMant[o.rm & 7];
    c.r[o.reg] = v >>> 16 * (i & 3) & 0xFFFF;
  }

  private static long signs(long v) {
    return (v >>> 7 & 0x0101010101010101L) * 0x0102040810204080L >>> 56;
  }

  private static void pmovmskb(MemOp o, Cpu c) {
    if (o.quads == 0) {
      MmxOps.enter(c);
      MmxOps.touch(c);
      c.r[o.reg] = signs(c.fpMant[o.rm & 7]);
      return;
    }
    Vectors.enter(o, c);
    long[] v = Vectors.register(c, o.rm, o.quads);
    long z = 0;
    for (int i = 0; i < v.length; i++) {
      z |= signs(v[i]) << 8 * i;
    }
    c.r[o.reg] = z;
  }

  private static void maskedStore(MemOp o, Cpu c, boolean wide) {
    if (wide) {
      Vectors.enter(o, c);
    } else {
      MmxOps.enter(c);
      // The register stack changes even if the store then faults.
      MmxOps.touch(c);
    }
    int seg = o.insn.segOverride >= 0 ? o.insn.segOverride : 3;
    int kind = MemOp.segmentKind(seg, c.codeMode());
    int n = wide ? 16 : 8;
    long a = c.r[7] & o.mask();
    long la = kind == 0 ? a : c.linear(kind, seg, a, n, true);
    // The whole operand is checked, whatever the mask says.
    c.probeWrite(la, n);
    for (int i = 0; i < n; i++) {
      long mask = wide ? c.xmm[2 * o.rm + (i >> 3)] : c.fpMant[o.rm & 7];
      long v = wide ? c.xmm[2 * o.reg + (i >> 3)] : c.fpMant[o.reg & 7];
      if ((mask >>> 8 * (i & 7) + 7 & 1) != 0) {
        c.wr8(la + i, (int) (v >>> 8 * (i & 7)));
      }
    }
  }
}
