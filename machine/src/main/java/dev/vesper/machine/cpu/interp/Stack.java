package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import java.lang.invoke.MethodHandles;

/** Template: PUSH and POP of a general register. */
final class Stack extends TemplateOp {
  private static final int K = Templates.key(MethodHandles.lookup());
  private static final boolean POP = (K & 1) != 0;
  private static final int BYTES = 1 << (K >> 1 & 3);

  /** 64-bit mode with the usual width: no segment, no wrap. */
  private static final boolean FAST = (K >> 3 & 1) != 0;

  static int key(boolean pop, int bytes, boolean mode64) {
    return (pop ? 1 : 0)
        | Integer.numberOfTrailingZeros(bytes) << 1
        | (mode64 && bytes == 8 ? 8 : 0);
  }

  @Override
  TemplateOp fresh() {
    return new Stack();
  }

  @Override
  public void exec(Cpu c) {
    if (!FAST) {
      if (POP) {
        c.setReg(dst, BYTES, c.pop(BYTES));
      } else {
        c.push(BYTES, c.reg(dst, BYTES));
      }
      return;
    }
    long[] r = c.r;
    if (POP) {
      long sp = r[4];
      if (!c.canonical(sp)) {
        c.fault(12, 0);
      }
      long v = c.rd64(sp);
      r[4] = sp + 8;
      r[dst] = v;
    } else {
      long sp = r[4] - 8;
      if (!c.canonical(sp)) {
        c.fault(12, 0);
      }
      c.wr64(sp, r[dst]);
      r[4] = sp;
    }
  }
}
