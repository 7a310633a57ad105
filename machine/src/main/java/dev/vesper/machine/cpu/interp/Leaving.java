package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.Signal;
import org.jspecify.annotations.Nullable;

/**
 * What an instruction does that mostly ends by leaving the guest, or by #VC: how it ends is its
 * value, because to throw takes longer than everything else that it does.
 */
@FunctionalInterface
interface Leaving {
  /** Executes it; {@return what ends it, or null if it is complete} */
  @Nullable Signal run(MemOp op, Cpu c);
}
