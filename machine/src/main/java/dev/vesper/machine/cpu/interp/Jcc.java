package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import java.lang.invoke.MethodHandles;

/** Template: conditional jumps. {@code imm} is the target relative to the page's RIP. */
final class Jcc extends TemplateOp {
  private static final int K = Templates.key(MethodHandles.lookup());

  /** Mask of the operand size. */
  long width = -1;

  @Override
  TemplateOp fresh() {
    return new Jcc();
  }

  @Override
  public void bound() {
    width = insn.osize == 2 ? 0xFFFF : insn.osize == 4 ? 0xFFFF_FFFFL : -1L;
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
      Branches.go(c, page + imm & width);
    } else {
      c.rip = page + next & c.ripMask();
    }
  }
}
