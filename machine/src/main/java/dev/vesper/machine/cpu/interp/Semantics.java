package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;

/** What an instruction outside the hot templates does. */
@FunctionalInterface
interface Semantics {
  /** Executes it. */
  void run(MemOp op, Cpu c);
}
