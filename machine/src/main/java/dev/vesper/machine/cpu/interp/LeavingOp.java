package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.Signal;
import org.jspecify.annotations.Nullable;

/** An instruction that mostly ends by leaving the guest. */
final class LeavingOp extends MemOp {
  private final Leaving semantics;

  LeavingOp(Leaving semantics) {
    this.semantics = semantics;
    leaves = true;
  }

  @Override
  public void exec(Cpu c) {
    Signal s = semantics.run(this, c);
    if (s != null) {
      throw s;
    }
  }

  @Override
  public @Nullable Signal attempt(Cpu c) {
    return semantics.run(this, c);
  }
}
