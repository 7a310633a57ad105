package dev.vesper.machine.observe.check;

import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event.VcRaised;
import dev.vesper.x86.Decoder;
import dev.vesper.x86.Insn;
import org.jspecify.annotations.Nullable;

/**
 * What #VC interrupted.
 *
 * @param event the event itself
 * @param insn the instruction, or null if it could not be read
 */
record TrapFrame(VcRaised event, @Nullable Insn insn) {

  static TrapFrame of(VcRaised e) {
    byte[] b = e.bytes().toArray();
    Insn in = new Insn();
    boolean good =
        b.length != 0 && Decoder.decode(b, 0, b.length, e.at().bits(), in) == Decoder.Outcome.OK;
    return new TrapFrame(e, good ? in : null);
  }

  At at() {
    return event.at();
  }

  /** {@return a general register by its number} */
  long r(int number) {
    return event.registers().get(number);
  }
}
