package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import java.lang.invoke.MethodHandles;

/** Template: ROL ROR RCL RCR SHL SHR SAR by 1, by an immediate or by CL. */
final class Shift extends TemplateOp {
  private static final int K = Templates.key(MethodHandles.lookup());
  private static final int OP = K & 7;
  private static final int BYTES = 1 << (K >> 3 & 3);
  private static final boolean MEMORY = (K >> 5 & 1) != 0;
  private static final boolean BY_CL = (K >> 6 & 1) != 0;
  private static final int BITS = 8 * BYTES;
  private static final int SHIFT = 64 - BITS;
  private static final long MASK = -1L >>> SHIFT;

  static int key(int op, int bytes, boolean memory, boolean byCl) {
    return op | Integer.numberOfTrailingZeros(bytes) << 3 | (memory ? 32 : 0) | (byCl ? 64 : 0);
  }

  @Override
  TemplateOp fresh() {
    return new Shift();
  }

  @Override
  public void exec(Cpu c) {
    int n = (int) (BY_CL ? c.r[1] : imm) & (BYTES == 8 ? 63 : 31);
    long la = MEMORY ? la(c, BYTES, true) : 0;
    long a = MEMORY ? c.rdw(la, BYTES) : c.reg(dst, BYTES);
    if (n == 0) {
      if (!MEMORY) {
        c.setReg(dst, BYTES, a);
      }
      return;
    }
    long v;
    boolean cf;
    boolean of;
    switch (OP) {
      case 0 -> {
        int k = n & BITS - 1;
        v = (a << k | a >>> 1 >>> BITS - 1 - k) & MASK;
        cf = (v & 1) != 0;
        of = (v >>> BITS - 1 & 1) != 0 != cf;
      }
      case 1 -> {
        int k = n & BITS - 1;
        v = (a >>> k | a << 1 << BITS - 1 - k) & MASK;
        cf = (v >>> BITS - 1 & 1) != 0;
        of = cf != ((v >>> BITS - 2 & 1) != 0);
      }
      case 2 -> {
        int k = n % (BITS + 1);
        long carry = c.fCv >>> 63;
        v = a;
        cf = carry != 0;
        if (k > 0) {
          v = (a << 1 << k - 1 | carry << k - 1 | (k > 1 ? a >>> BITS + 1 - k : 0)) & MASK;
          cf = (a >>> BITS - k & 1) != 0;
        }
        of = (v >>> BITS - 1 & 1) != 0 != cf;
      }
      case 3 -> {
        int k = n % (BITS + 1);
        long carry = c.fCv >>> 63;
        v = a;
        cf = carry != 0;
        if (k > 0) {
          v = (a >>> 1 >>> k - 1 | carry << BITS - k | (k > 1 ? a << BITS + 1 - k : 0)) & MASK;
          cf = (a >>> k - 1 & 1) != 0;
        }
        of = (v >>> BITS - 1 & 1) != (v >>> BITS - 2 & 1);
      }
      case 4, 6 -> {
        v = n > BITS ? 0 : a << 1 << n - 1;
        cf = n <= BITS && (a >>> BITS - n & 1) != 0;
        of = (v >>> BITS - 1 & 1) != 0 != cf;
      }
      case 5 -> {
        v = n > BITS ? 0 : a >>> 1 >>> n - 1;
        cf = n <= BITS && (a >>> n - 1 & 1) != 0;
        of = n == 1 && (a >>> BITS - 1 & 1) != 0;
      }
      default -> {
        long s = a << SHIFT >> SHIFT;
        v = s >> n;
        cf = (s >> n - 1 & 1) != 0;
        of = false;
      }
    }
    if (MEMORY) {
      c.wr(la, BYTES, v);
    } else {
      c.setReg(dst, BYTES, v);
    }
    c.setCfOf(cf, of);
    if (OP >= 4) {
      c.fRes = v << SHIFT >> SHIFT;
      // Undefined by the manual, as OF of other counts than one: AMD processors set AF.
      c.fAx = 0x10;
    }
  }
}
