package dev.vesper.machine.cpu.interp;

/** GFNI: products, affine transforms and inverses in GF(2^8) modulo x^8+x^4+x^3+x+1. */
final class GaloisOps {
  private GaloisOps() {}

  static void register(Families f) {
    PackedShuffles.vector(
        f,
        "gf2p8mulb",
        (a, b, z) -> {
          for (int i = 0; i < 16; i++) {
            int x = (int) PackedShuffles.element(a, i, 8);
            int y = (int) PackedShuffles.element(b, i, 8);
            PackedShuffles.set(z, i, 8, CryptoOps.times(x, y));
          }
        });
    f.both("gf2p8affineqb", (o, c) -> PackedShuffles.binary(o, c, affine(o, false)));
    f.both("gf2p8affineinvqb", (o, c) -> PackedShuffles.binary(o, c, affine(o, true)));
  }

  /** {@return the inverse, x to the power 254; that of zero is zero} */
  private static int inverse(int x) {
    int z = 1;
    for (int bit = 7; bit >= 0; bit--) {
      z = CryptoOps.times(z, z);
      if ((254 >> bit & 1) != 0) {
        z = CryptoOps.times(z, x);
      }
    }
    return z;
  }

  /** Each byte times the 8 by 8 bit matrix in its quadword of the second source, plus imm. */
  private static PackedShuffles.Vector affine(MemOp o, boolean invert) {
    int constant = (int) o.insn.imm & 0xFF;
    return (a, b, z) -> {
      for (int i = 0; i < 16; i++) {
        int x = (int) PackedShuffles.element(a, i, 8);
        int v = invert ? inverse(x) : x;
        long matrix = b[i >> 3];
        int e = 0;
        for (int bit = 0; bit < 8; bit++) {
          int row = (int) (matrix >>> 8 * (7 - bit)) & 0xFF;
          e |= (Integer.bitCount(row & v) & 1) << bit;
        }
        PackedShuffles.set(z, i, 8, e ^ constant);
      }
    };
  }
}
