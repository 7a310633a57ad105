package dev.vesper.machine.trace;

import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandSpec;

/**
 * Follows what RDMSR has read from the GHCB MSR through the registers, to see whether the guest
 * compares it with anything before it loses it. A value that goes to memory is given the benefit of
 * the doubt.
 */
final class AnswerCheck {
  /** Instructions after which the guest is taken to have seen enough. */
  private static final int WINDOW = 256;

  private static final int RAX = 1;

  /** Bit n: general register n holds something of the answer's low half. */
  private int tainted;

  private int left;
  private boolean seen;

  /** EAX now holds the low half of an answer. */
  void begin() {
    tainted = RAX;
    left = WINDOW;
    seen = false;
  }

  /** Nothing is followed any more. */
  void stop() {
    left = 0;
    seen = true;
  }

  /** {@return whether the answer is gone, and nothing has looked at it} */
  boolean lost() {
    return tainted == 0 && !seen;
  }

  /** {@return whether instructions still matter} */
  boolean active() {
    return left > 0;
  }

  /**
   * Looks at an instruction that is about to be executed.
   *
   * @param compared called when it compares the answer
   */
  void step(Insn in, Runnable compared) {
    follow(
        in,
        () -> {
          seen = true;
          compared.run();
        });
  }

  private void follow(Insn in, Runnable compared) {
    left--;
    if (in.mnemonic().equals("rdmsr") || in.mnemonic().equals("wrmsr")) {
      // What is written, such as the GHCB's address again, is not what was read.
      return;
    }
    int read = sources(in);
    boolean reads = (read & tainted) != 0;
    switch (in.mnemonic()) {
      case "cmp", "test", "bt", "push", "xchg" -> {
        if (reads) {
          compared.run();
          left = 0;
        }
      }
      case "and",
          "sub",
          "xor",
          "add",
          "or",
          "shr",
          "shl",
          "sar",
          "neg",
          "not",
          "movzx",
          "mov",
          "movsx",
          "movsxd",
          "pop",
          "lea",
          "rol",
          "ror",
          "shrd",
          "shld",
          "bswap",
          "cdqe",
          "bextr" ->
          flow(in, reads, compared);
      case "iret", "vmgexit" -> left = 0;
      default -> {
        if (reads && !in.mnemonic().startsWith("j")) {
          compared.run();
          left = 0;
        }
      }
    }
    if (tainted == 0) {
      left = Math.min(left, 0);
    }
  }

  private void flow(Insn in, boolean reads, Runnable compared) {
    if (in.form().operands.isEmpty()) {
      // CDQE and its like work on RAX alone.
      return;
    }
    OperandSpec first = in.form().operands.get(0);
    int to = register(in, first);
    if (to < 0) {
      if (reads) {
        // Stored: somebody may look at it there.
        compared.run();
        left = 0;
      }
      return;
    }
    boolean whole = first.bytes(in) >= 4;
    boolean cleared =
        in.mnemonic().equals("xor")
            && in.form().operands.size() == 2
            && register(in, in.form().operands.get(1)) == to;
    boolean arithmetic = !overwrites(in);
    boolean keeps = arithmetic && (tainted >> to & 1) != 0 && !cleared;
    if (reads && !cleared || keeps) {
      tainted |= 1 << to;
    } else if (whole) {
      tainted &= ~(1 << to);
    }
  }

  /** {@return whether the first operand is written without being read} */
  private static boolean overwrites(Insn in) {
    String m = in.mnemonic();
    return m.startsWith("mov") || m.equals("lea") || m.equals("pop");
  }

  /** {@return the general register of an operand, or -1} */
  private static int register(Insn in, OperandSpec o) {
    return switch (o.kind()) {
      case REG -> in.reg;
      case RM, MEMORY -> in.mem ? -1 : in.rm;
      case OPCODE_REGISTER -> in.rm;
      case FIXED ->
          switch (o.reg().kind()) {
            case GPR8, GPR16, GPR32, GPR64 -> o.reg().index();
            default -> -1;
          };
      default -> -1;
    };
  }

  /** {@return the general registers that an instruction reads as operands or in addresses} */
  private static int sources(Insn in) {
    if (in.opcode == null) {
      return 0;
    }
    int m = 0;
    boolean first = true;
    boolean overwrites = overwrites(in);
    for (OperandSpec o : in.form().operands) {
      int r = register(in, o);
      if (r >= 0 && !(first && overwrites)) {
        m |= 1 << r;
      }
      first = false;
    }
    if (in.mem && in.base >= 0 && in.base < 16) {
      m |= 1 << in.base;
    }
    return in.mem && in.index >= 0 && in.index < 16 ? m | 1 << in.index : m;
  }
}
