package dev.vesper.machine.cpu.jit;

import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.Operation;

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
    Operation operation = in.operation();
    switch (operation) {
      case MOVS, STOS, LODS, CMPS, SCAS -> {
        return Transfer.STRING;
      }
      default -> {
        // a branch, if anything
      }
    }
    if (in.osize != in.bits / 8) {
      // Branches of another width than the code's cut their target: rare, and left alone.
      return Transfer.OTHER;
    }
    return switch (operation) {
      case JMP -> direct(in) ? Transfer.JUMP : Transfer.JUMP_INDIRECT;
      case CALL -> direct(in) ? Transfer.CALL : Transfer.CALL_INDIRECT;
      case RET -> Transfer.RETURN;
      case LOOP, LOOPE, LOOPNE, JCXZ, JCC -> Transfer.CONDITIONAL;
      default -> Transfer.OTHER;
    };
  }

  private static boolean direct(Insn in) {
    return in.form().operands.get(0).kind() == OperandKind.RELATIVE;
  }
}
