package dev.vesper.machine.cpu.jit;

import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandKind;

/** What the last instruction of a block does with RIP. */
final class Kinds {
  enum Transfer {
    CONDITIONAL,
    JUMP,
    CALL,
    JUMP_INDIRECT,
    CALL_INDIRECT,
    RETURN,
    STRING,
    OTHER
  }

  private Kinds() {}

  /** {@return the kind of an instruction that sets RIP} */
  static Transfer transfer(Insn in) {
    if (in.opcode == null) {
      return Transfer.OTHER;
    }
    String m = in.mnemonic();
    boolean string = m.equals("movs") || m.equals("stos") || m.equals("lods");
    if (string || m.equals("cmps") || m.equals("scas")) {
      return Transfer.STRING;
    }
    if (in.osize != in.bits / 8) {
      // Branches of another width than the code's cut their target: rare, and left alone.
      return Transfer.OTHER;
    }
    boolean direct =
        !in.form().operands.isEmpty() && in.form().operands.get(0).kind() == OperandKind.RELATIVE;
    return switch (m) {
      case "jmp" -> direct ? Transfer.JUMP : Transfer.JUMP_INDIRECT;
      case "call" -> direct ? Transfer.CALL : Transfer.CALL_INDIRECT;
      case "ret" -> Transfer.RETURN;
      case "loop", "loope", "loopne", "jcxz", "jecxz", "jrcxz" -> Transfer.CONDITIONAL;
      default -> direct && m.charAt(0) == 'j' ? Transfer.CONDITIONAL : Transfer.OTHER;
    };
  }
}
