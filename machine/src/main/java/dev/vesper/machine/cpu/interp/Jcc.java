package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import java.lang.invoke.MethodHandles;

/** Template: conditional jumps. {@code imm} is the target relative to the page's RIP. */
final class Jcc extends TemplateOp {
  private static final int K = Templates.key(MethodHandles.lookup());

  /** Bits that the operand size lacks. */
  private byte lost;

  @Override
  TemplateOp fresh() {
    return new Jcc();
  }

  @Override
  public void bound() {
    lost = (byte) (64 - 8 * insn.osize);
    imm = next + insn.imm;
  }

  @Override
  public boolean setsRip() {
    return true;
  }

  @Override
  public void exec(Cpu c) {
    long page = c.r[CpuState.PAGE];
    if (c.cond(K & 15)) {
      Branches.go(c, page + imm & -1L >>> lost);
    } else {
      c.rip = page + next & c.ripMask();
    }
  }
}
