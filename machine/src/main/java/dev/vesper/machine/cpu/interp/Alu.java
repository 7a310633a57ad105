package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import java.lang.invoke.MethodHandles;

/** Template: ADD OR ADC SBB AND SUB XOR CMP TEST in every size and form. */
final class Alu extends TemplateOp {
  static final int TEST = 8;
  static final int RR = 0;
  static final int RI = 1;
  static final int RM = 2;
  static final int MR = 3;
  static final int MI = 4;

  private static final int K = Templates.key(MethodHandles.lookup());
  private static final int OP = K & 15;
  private static final int BYTES = 1 << (K >> 4 & 3);
  private static final int FORM = K >> 6;
  private static final int SHIFT = 64 - 8 * BYTES;

  /** {@return the key of a specialisation} */
  static int key(int op, int bytes, int form) {
    return op | Integer.numberOfTrailingZeros(bytes) << 4 | form << 6;
  }

  @Override
  TemplateOp fresh() {
    return new Alu();
  }

  @Override
  public void exec(Cpu c) {
    long la = 0;
    long a;
    if (FORM >= MR) {
      boolean readOnly = OP == 7 || OP == TEST;
      la = la(c, BYTES, !readOnly);
      a = readOnly ? c.rd(la, BYTES) : c.rdw(la, BYTES);
    } else {
      a = c.reg(dst, BYTES);
    }
    long b =
        FORM == RI || FORM == MI
            ? imm
            : FORM == RM ? c.rd(la(c, BYTES, false), BYTES) : c.reg(src, BYTES);
    long v;
    switch (OP) {
      case 0 -> v = a + b;
      case 2 -> v = a + b + (c.fCv >>> 63);
      case 3 -> v = a - b - (c.fCv >>> 63);
      case 5, 7 -> v = a - b;
      case 1 -> v = a | b;
      case 6 -> v = a ^ b;
      default -> v = a & b;
    }
    if (OP != 7 && OP != TEST) {
      if (FORM >= MR) {
        c.wr(la, BYTES, v);
      } else {
        c.setReg(dst, BYTES, v);
      }
    }
    c.fRes = v << SHIFT >> SHIFT;
    switch (OP) {
      case 0, 2 -> {
        c.fCv = (a & b | (a | b) & ~v) << SHIFT;
        c.fAx = (a ^ b ^ v) & 0x10;
      }
      case 3, 5, 7 -> {
        c.fCv = (~a & b | (~a | b) & v) << SHIFT;
        c.fAx = (a ^ b ^ v) & 0x10;
      }
      default -> {
        c.fCv = 0;
        c.fAx = 0;
      }
    }
  }
}
