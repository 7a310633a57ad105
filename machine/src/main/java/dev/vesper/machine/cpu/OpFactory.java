package dev.vesper.machine.cpu;

import dev.vesper.x86.Insn;
import org.jspecify.annotations.Nullable;

/** Makes executable operations from decoded instructions. */
public interface OpFactory {
  /**
   * {@return the operation, never null}
   *
   * @param insn null for an undefined instruction
   * @param codeMode {@link Mmu#codeMode()} that it will run in
   * @param offset its offset in the page
   */
  Op create(@Nullable Insn insn, int codeMode, int offset);

  /** {@return whether the operation of an instruction sets RIP on every path} */
  boolean setsRip(Insn insn);
}
