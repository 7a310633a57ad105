package dev.vesper.machine.observe.check;

import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event.VcRaised;
import dev.vesper.x86.Insn;
import org.jspecify.annotations.Nullable;

/**
 * What #VC interrupted.
 *
 * @param event the event itself
 * @param insn the instruction, or null if it could not be read
 */
record TrapFrame(VcRaised event, @Nullable Insn insn) {

  At at() {
    return event.at();
  }

  /** {@return a general register by its number} */
  long r(int number) {
    return event.registers().get(number);
  }
}
