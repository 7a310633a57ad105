package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.Segmentation;

/**
 * Gathers and scatters (AMD APM volume 4). Those of AVX2: The top bit of each element of VEX.vvvv
 * says whether it is loaded; the element of the mask is cleared as it arrives, so that a gather
 * that faults goes on where it stopped.
 */
final class Gathers {
  private Gathers() {}

  static void register(Families f) {
    f.add("vpgatherdd", (o, c) -> gather(o, c, 32, 32));
    f.add("vgatherdps", (o, c) -> gather(o, c, 32, 32));
    f.add("vpgatherdq", (o, c) -> gather(o, c, 32, 64));
    f.add("vgatherdpd", (o, c) -> gather(o, c, 32, 64));
    f.add("vpgatherqd", (o, c) -> gather(o, c, 64, 32));
    f.add("vgatherqps", (o, c) -> gather(o, c, 64, 32));
    f.add("vpgatherqq", (o, c) -> gather(o, c, 64, 64));
    f.add("vgatherqpd", (o, c) -> gather(o, c, 64, 64));
    String[] kinds = {"dd", "dq", "qd", "qq", "dps", "dpd", "qps", "qpd"};
    for (int i = 0; i < 8; i++) {
      int index = (i & 2) == 0 ? 32 : 64;
      int width = (i & 1) == 0 ? 32 : 64;
      String name = (i < 4 ? "vpscatter" : "vscatter") + kinds[i];
      f.add(
          name,
          (o, c) -> {
            Vectors.enter(o, c);
            masked(o, c, index, width, true);
          });
    }
  }

  private static void gather(MemOp o, Cpu c, int indexWidth, int width) {
    Vectors.enter(o, c);
    if (o.insn.evex) {
      masked(o, c, indexWidth, width, false);
      return;
    }
    int vector = o.insn.index;
    int maskRegister = o.insn.vvvv;
    if (o.reg == vector || o.reg == maskRegister || vector == maskRegister) {
      c.ud();
    }
    int quads = o.insn.vlen / 8;
    int n = 64 * quads / Math.max(width, indexWidth);
    long[] index = Vectors.register(c, vector, 4);
    long[] mask = Vectors.register(c, maskRegister, 4);
    long[] z = Vectors.register(c, o.reg, 4);
    try {
      for (int i = 0; i < n; i++) {
        if (Ssse3.signed(mask, i, width) < 0) {
          long at = address(o, c, Ssse3.signed(index, i, indexWidth), width / 8, false);
          long v = c.rd(at, width / 8);
          PackedShuffles.clear(z, i, width);
          PackedShuffles.set(z, i, width, v);
        }
        PackedShuffles.clear(mask, i, width);
      }
      // Only a gather that ends clears what lies above its elements, in both registers; one that
      // faults leaves the mask of what it has not come to as it is, on AMD processors.
      java.util.Arrays.fill(z, n * width / 64, 4, 0);
      java.util.Arrays.fill(mask, 0);
    } finally {
      Vectors.put(o, c, z);
      Vectors.put(o, c, maskRegister, mask);
    }
  }

  /** The forms of AVX-512: bits of an opmask are cleared as their elements are done. */
  private static void masked(MemOp o, Cpu c, int indexWidth, int width, boolean scatter) {
    int vector = o.insn.index;
    if (!scatter && o.reg == vector) {
      c.ud();
    }
    int n = 8 * o.insn.vlen / Math.max(width, indexWidth);
    long[] index = Vectors.register(c, vector, 8);
    long[] z = Vectors.register(c, o.reg, 8);
    int bytes = width / 8;
    for (int i = 0; i < n; i++) {
      long bit = 1L << i;
      if ((c.k[o.insn.mask] & bit) == 0) {
        continue;
      }
      long at = address(o, c, Ssse3.signed(index, i, indexWidth), bytes, scatter);
      if (scatter) {
        c.wr(at, bytes, PackedShuffles.element(z, i, width));
      } else {
        long v = c.rd(at, bytes);
        PackedShuffles.clear(z, i, width);
        PackedShuffles.set(z, i, width, v);
        // Until the end only what lies above the vector length is cleared.
        Vectors.putAll(o, c, o.reg, cut(z, 8 * o.insn.vlen));
      }
      c.k[o.insn.mask] &= ~bit;
    }
    if (!scatter) {
      Vectors.putAll(o, c, o.reg, cut(z, n * width));
    }
    c.k[o.insn.mask] = 0;
  }

  private static long[] cut(long[] v, int bits) {
    long[] z = java.util.Arrays.copyOf(v, Math.max(2, bits / 64));
    if (bits == 32 || bits == 64) {
      z[1] = 0;
    }
    return z;
  }

  private static long address(MemOp o, Cpu c, long index, int bytes, boolean write) {
    long a = c.r[o.base] + (index << o.scale) + o.disp & o.mask();
    return o.segKind == Segmentation.SEG_NONE ? a : c.linear(o.segKind, o.seg, a, bytes, write);
  }
}
