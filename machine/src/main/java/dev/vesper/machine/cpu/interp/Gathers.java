package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.Segmentation;

/**
 * AVX2 gathers (AMD APM volume 4). The top bit of each element of VEX.vvvv says whether it is
 * loaded; the element of the mask is cleared as it arrives, so that a gather that faults goes on
 * where it stopped.
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
  }

  private static void gather(MemOp o, Cpu c, int indexWidth, int width) {
    Vectors.enter(o, c);
    int vector = o.insn.index;
    int maskRegister = o.insn.vvvv;
    if (o.reg == vector || o.reg == maskRegister || vector == maskRegister) {
      c.ud();
    }
    int quads = o.insn.vlen / 8;
    int n = 64 * quads / Math.max(width, indexWidth);
    long[] index = Vectors.register(c, vector, 4);
    long[] top = Vectors.register(c, maskRegister, 4);
    long[] z = Vectors.register(c, o.reg, 4);
    long[] mask = new long[4];
    for (int i = 0; i < 64 * quads / width; i++) {
      PackedShuffles.set(mask, i, width, Ssse3.signed(top, i, width) >> width - 1);
    }
    try {
      for (int i = 0; i < n; i++) {
        if (PackedShuffles.element(mask, i, width) != 0) {
          long at = address(o, c, Ssse3.signed(index, i, indexWidth), width / 8);
          long v = c.rd(at, width / 8);
          PackedShuffles.clear(z, i, width);
          PackedShuffles.set(z, i, width, v);
          PackedShuffles.clear(mask, i, width);
          java.util.Arrays.fill(z, quads, 4, 0);
        }
      }
      // Only a gather that ends clears what lies above its elements, in both registers.
      java.util.Arrays.fill(z, n * width / 64, 4, 0);
      java.util.Arrays.fill(mask, 0);
    } finally {
      Vectors.put(o, c, z);
      Vectors.put(o, c, maskRegister, mask);
    }
  }

  private static long address(MemOp o, Cpu c, long index, int bytes) {
    long a = c.r[o.base] + (index << o.scale) + o.disp & o.mask;
    return o.segKind == Segmentation.SEG_NONE ? a : c.linear(o.segKind, o.seg, a, bytes, false);
  }
}
