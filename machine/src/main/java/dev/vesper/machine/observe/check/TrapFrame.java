package dev.vesper.machine.observe.check;

import dev.vesper.machine.observe.Event;
import dev.vesper.x86.Decoder;
import dev.vesper.x86.Insn;
import org.jspecify.annotations.Nullable;

/**
 * What #VC interrupted, read from an event of kind {@code vc}.
 *
 * @param event the event itself
 * @param code error code
 * @param r the sixteen general registers by their numbers
 * @param insn the instruction, or null if it could not be read
 */
record TrapFrame(Event event, int code, long[] r, @Nullable Insn insn) {

  static TrapFrame of(Event e) {
    byte[] b = Exchange.bytes(e.text("bytes").replace(" ", ""));
    Insn in = new Insn();
    boolean good =
        b.length != 0 && Decoder.decode(b, 0, b.length, e.bits(), in) == Decoder.Outcome.OK;
    return new TrapFrame(e, (int) e.number("error_code"), registers(e), good ? in : null);
  }

  static long[] registers(Event e) {
    long[] r = new long[16];
    String[] t = e.text("regs").split(" ");
    for (int i = 0; i < 16 && i < t.length; i++) {
      r[i] = Event.parse("0x" + t[i]);
    }
    return r;
  }

  /** A memory operand of the instruction. */
  record Operand(long linear, long gpa, boolean mapped, boolean isPrivate, boolean user) {}

  /**
   * {@return an operand: {@code operand}, {@code source} or {@code dest}; null if there is none}
   */
  @Nullable Operand operand(String which) {
    String[] t = event.text(which).split(" ");
    if (t.length < 2) {
      return null;
    }
    if (t.length < 4) {
      return new Operand(Event.parse(t[0]), -1, false, false, false);
    }
    return new Operand(
        Event.parse(t[0]), Event.parse(t[1]), true, t[2].equals("c=1"), t[3].equals("u=1"));
  }
}
