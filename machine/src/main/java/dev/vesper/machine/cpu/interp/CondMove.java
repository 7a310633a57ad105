package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import java.lang.invoke.MethodHandles;

/** Template: CMOVcc and SETcc. */
final class CondMove extends TemplateOp {
  private static final int K = Templates.key(MethodHandles.lookup());
  private static final int CC = K & 15;
  private static final int BYTES = 1 << (K >> 4 & 3);
  private static final boolean SET = (K >> 6 & 1) != 0;

  static int key(int cc, int bytes, boolean set) {
    return cc | Integer.numberOfTrailingZeros(bytes) << 4 | (set ? 64 : 0);
  }

  @Override
  TemplateOp fresh() {
    return new CondMove();
  }

  @Override
  public void exec(Cpu c) {
    if (SET) {
      int v = c.cond(CC) ? 1 : 0;
      if (mem) {
        c.wr8(la(c, 1, true), v);
      } else {
        c.setReg8(dst, v);
      }
      return;
    }
    long v = mem ? c.rd(la(c, BYTES, false), BYTES) : c.reg(src, BYTES);
    if (c.cond(CC)) {
      c.setReg(dst, BYTES, v);
    } else if (BYTES == 4) {
      c.setReg(dst, 4, c.r[dst]);
    }
  }
}
