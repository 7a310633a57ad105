package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;

/** SSE4.2: string comparisons, CRC32, and the quadword comparison. */
final class Sse42 {
  /** The Castagnoli polynomial, bits reflected. */
  private static final int POLYNOMIAL = 0x82F6_3B78;

  private static final int EQUAL_ANY = 0;
  private static final int RANGES = 1;
  private static final int EQUAL_EACH = 2;

  private Sse42() {}

  static void register(Families f) {
    PackedShuffles.vector(
        f,
        "pcmpgtq",
        (a, b, z) -> {
          z[0] = a[0] > b[0] ? -1 : 0;
          z[1] = a[1] > b[1] ? -1 : 0;
        });
    f.both("pcmpestrm", (o, c) -> compare(o, c, true, true));
    f.both("pcmpestri", (o, c) -> compare(o, c, true, false));
    f.both("pcmpestrmq", (o, c) -> compare(o, c, true, true));
    f.both("pcmpestriq", (o, c) -> compare(o, c, true, false));
    f.both("pcmpistrm", (o, c) -> compare(o, c, false, true));
    f.both("pcmpistri", (o, c) -> compare(o, c, false, false));
    f.add("crc32", Sse42::crc32);
  }

  private static void crc32(MemOp o, Cpu c) {
    int n = o.insn.form().operands.get(1).bytes(o.insn);
    long v = o.readRm(c, n);
    int crc = (int) c.r[o.reg];
    for (int i = 0; i < n; i++) {
      crc ^= (int) (v >>> 8 * i) & 0xFF;
      for (int k = 0; k < 8; k++) {
        crc = crc >>> 1 ^ ((crc & 1) != 0 ? POLYNOMIAL : 0);
      }
    }
    c.r[o.reg] = crc & 0xFFFF_FFFFL;
  }

  /** {@return how many elements are valid, from a register as PCMPESTRx takes it} */
  private static int explicit(MemOp o, long register, int n) {
    long v = o.insn.osize == 8 ? register : (int) register;
    return v == Long.MIN_VALUE ? n : (int) Math.min(n, Math.abs(v));
  }

  private static int implicit(long[] v, int n, int width) {
    for (int i = 0; i < n; i++) {
      if (PackedShuffles.element(v, i, width) == 0) {
        return i;
      }
    }
    return n;
  }

  /**
   * PCMPxSTRx (AMD APM volume 4): imm 1:0 element kind, 3:2 comparison, 5:4 polarity, 6 which end
   * or which form of mask.
   */
  private static void compare(MemOp o, Cpu c, boolean lengths, boolean mask) {
    Vectors.enter(o, c);
    long[] b = Vectors.source(o, c, 16, true);
    long[] a = Vectors.register(c, o.reg, 2);
    int imm = (int) o.insn.imm;
    int width = (imm & 1) != 0 ? 16 : 8;
    int n = 128 / width;
    int la = lengths ? explicit(o, c.r[0], n) : implicit(a, n, width);
    int lb = lengths ? explicit(o, c.r[2], n) : implicit(b, n, width);
    int result = 0;
    for (int j = 0; j < n; j++) {
      if (matches(a, b, la, lb, j, imm, width, n)) {
        result |= 1 << j;
      }
    }
    int all = n == 16 ? 0xFFFF : 0xFF;
    switch (imm >> 4 & 3) {
      case 1 -> result = ~result & all;
      case 3 -> result ^= (1 << lb) - 1;
      default -> {
        // positive
      }
    }
    boolean other = (imm & 0x40) != 0;
    if (!mask) {
      c.r[1] =
          result == 0
              ? n
              : other
                  ? 31 - Integer.numberOfLeadingZeros(result)
                  : Integer.numberOfTrailingZeros(result);
    } else if (other) {
      long[] z = new long[2];
      for (int i = 0; i < n; i++) {
        PackedShuffles.set(z, i, width, (result >> i & 1) != 0 ? -1 : 0);
      }
      Vectors.put(o, c, 0, z);
    } else {
      Vectors.put(o, c, 0, new long[] {result, 0});
    }
    c.setArith(
        (result != 0 ? CpuState.CF : 0)
            | (lb < n ? CpuState.ZF : 0)
            | (la < n ? CpuState.SF : 0)
            | ((result & 1) != 0 ? CpuState.OF : 0));
  }

  private static long value(long[] v, int i, int width, int imm) {
    return (imm & 2) != 0 ? Ssse3.signed(v, i, width) : PackedShuffles.element(v, i, width);
  }

  /**
   * {@return bit j of the comparison} Elements behind the ends count as the manual's table says.
   */
  private static boolean matches(
      long[] a, long[] b, int la, int lb, int j, int imm, int width, int n) {
    switch (imm >> 2 & 3) {
      case EQUAL_ANY -> {
        for (int i = 0; i < la && j < lb; i++) {
          if (value(a, i, width, imm) == value(b, j, width, imm)) {
            return true;
          }
        }
        return false;
      }
      case RANGES -> {
        for (int i = 0; i + 1 < la && j < lb; i += 2) {
          long v = value(b, j, width, imm);
          if (value(a, i, width, imm) <= v && v <= value(a, i + 1, width, imm)) {
            return true;
          }
        }
        return false;
      }
      case EQUAL_EACH -> {
        return j < la && j < lb
            ? value(a, j, width, imm) == value(b, j, width, imm)
            : j >= la && j >= lb;
      }
      default -> {
        for (int i = 0; i < la && i + j < n; i++) {
          if (i + j >= lb || value(a, i, width, imm) != value(b, i + j, width, imm)) {
            return false;
          }
        }
        return true;
      }
    }
  }
}
