package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import java.lang.invoke.MethodHandles;

/** Template: MOV, MOVZX, MOVSX, MOVSXD and LEA between registers, memory and immediates. */
final class Mov extends TemplateOp {
  static final int RR = 0;
  static final int RI = 1;
  static final int LOAD = 2;
  static final int STORE = 3;
  static final int STORE_IMM = 4;
  static final int LEA = 5;

  private static final int K = Templates.key(MethodHandles.lookup());
  private static final int FORM = K & 7;
  private static final int TO = 1 << (K >> 3 & 3);
  private static final int FROM = 1 << (K >> 5 & 3);
  private static final boolean SIGNED = (K >> 7 & 1) != 0;
  private static final boolean SEGMENT = (K >> 8 & 1) != 0;

  /**
   * {@return the key of a specialisation}
   *
   * @param to bytes written
   * @param from bytes read
   * @param segment the memory operand needs segment handling
   */
  static int key(int form, int to, int from, boolean signed, boolean segment) {
    return form
        | Integer.numberOfTrailingZeros(to) << 3
        | Integer.numberOfTrailingZeros(from) << 5
        | (signed ? 128 : 0)
        | (segment ? 256 : 0);
  }

  @Override
  TemplateOp fresh() {
    return new Mov();
  }

  @Override
  public void exec(Cpu c) {
    switch (FORM) {
      case RR -> c.setReg(dst, TO, widen(c.reg(src, FROM)));
      case RI -> c.setReg(dst, TO, imm);
      case LOAD -> c.setReg(dst, TO, widen(c.rd(address(c, FROM, false), FROM)));
      case STORE -> c.wr(address(c, TO, true), TO, c.reg(src, TO));
      case STORE_IMM -> c.wr(address(c, TO, true), TO, imm);
      default -> c.setReg(dst, TO, ea(c));
    }
  }

  private long address(Cpu c, int bytes, boolean write) {
    long a = ea(c);
    return SEGMENT ? c.linear(segKind, seg, a, bytes, write) : a;
  }

  private static long widen(long v) {
    return SIGNED && FROM < 8 ? v << 64 - 8 * FROM >> 64 - 8 * FROM : v;
  }
}
