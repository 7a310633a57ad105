package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import java.lang.invoke.MethodHandles;

/** Template: INC, DEC, NOT and NEG. */
final class Unary extends TemplateOp {
  static final int INC = 0;
  static final int DEC = 1;
  static final int NOT = 2;
  static final int NEG = 3;

  private static final int K = Templates.key(MethodHandles.lookup());
  private static final int OP = K & 3;
  private static final int BYTES = 1 << (K >> 2 & 3);
  private static final boolean MEMORY = (K >> 4 & 1) != 0;
  private static final int SHIFT = 64 - 8 * BYTES;

  static int key(int op, int bytes, boolean memory) {
    return op | Integer.numberOfTrailingZeros(bytes) << 2 | (memory ? 16 : 0);
  }

  @Override
  TemplateOp fresh() {
    return new Unary();
  }

  @Override
  public void exec(Cpu c) {
    long la = MEMORY ? la(c, BYTES, true) : 0;
    long a = MEMORY ? c.rdw(la, BYTES) : c.reg(dst, BYTES);
    long v =
        switch (OP) {
          case INC -> a + 1;
          case DEC -> a - 1;
          case NOT -> ~a;
          default -> -a;
        };
    if (MEMORY) {
      c.wr(la, BYTES, v);
    } else {
      c.setReg(dst, BYTES, v);
    }
    if (OP == NOT) {
      return;
    }
    long res = v << SHIFT >> SHIFT;
    c.fRes = res;
    if (OP == NEG) {
      c.fCv = (a | v) << SHIFT;
      c.fAx = (a ^ v) & 0x10;
      return;
    }
    // CF stays; OF is an overflow of the sign.
    boolean overflow = OP == INC ? res << SHIFT == Long.MIN_VALUE : (a << SHIFT) == Long.MIN_VALUE;
    long cf = c.fCv & Long.MIN_VALUE;
    c.fCv = cf | (cf >>> 1 ^ (overflow ? 1L << 62 : 0));
    c.fAx = (a ^ v ^ 1) & 0x10;
  }
}
