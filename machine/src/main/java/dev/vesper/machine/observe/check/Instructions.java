package dev.vesper.machine.observe.check;

import dev.vesper.machine.observe.Bytes;
import dev.vesper.machine.observe.Event.VcRaised;
import dev.vesper.x86.Decoder;
import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandSize;
import dev.vesper.x86.OperandSpec;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import org.jspecify.annotations.Nullable;

/** The instructions that #VC interrupts: few, again and again. */
final class Instructions {
  /** A guest may make ever new ones. */
  private static final int MOST = 1 << 12;

  /**
   * An instruction.
   *
   * @param insn null if it could not be read
   * @param form mnemonic and kinds of operands, as in {@code in al,imm8}; {@code ?} without one
   */
  record Known(@Nullable Insn insn, String form) {}

  /** By their bytes, for 16-bit, 32-bit and 64-bit code. */
  private final List<Map<Bytes, Known>> known =
      List.of(new HashMap<>(), new HashMap<>(), new HashMap<>());

  /** {@return the instruction of a #VC} */
  Known of(VcRaised e) {
    Map<Bytes, Known> sameMode = known.get(e.at().bits() >> 5);
    Known k = sameMode.get(e.bytes());
    if (k == null) {
      k = decode(e.bytes().toArray(), e.at().bits());
      if (sameMode.size() >= MOST) {
        sameMode.clear();
      }
      sameMode.put(e.bytes(), k);
    }
    return k;
  }

  private static Known decode(byte[] b, int bits) {
    Insn in = new Insn();
    return b.length != 0 && Decoder.decode(b, 0, b.length, bits, in) == Decoder.Outcome.OK
        ? new Known(in, form(in))
        : new Known(null, "?");
  }

  private static String form(Insn in) {
    StringJoiner j = new StringJoiner(",");
    for (OperandSpec o : in.form().operands) {
      int bits = o.width(in) * 8;
      j.add(
          switch (o.kind()) {
            case RM, MEMORY -> in.mem ? "m" + bits : "r" + bits;
            case OFFSET, SOURCE, DESTINATION -> "m" + bits;
            case IMMEDIATE -> "imm" + bits;
            case FIXED -> o.size() == OperandSize.REGISTER ? o.reg().name() : "r" + bits;
            case DEBUG -> "dr" + in.reg;
            default -> "r" + bits;
          });
    }
    String repeat = in.rep && in.modrm == -1 ? "rep " : "";
    return (repeat + in.mnemonic() + " " + j).strip();
  }
}
