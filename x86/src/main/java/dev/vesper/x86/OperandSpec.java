package dev.vesper.x86;

/**
 * One operand column of the opcode table.
 *
 * @param kind addressing letter of the table's legend, or {@code 'r'} for a fixed register and
 *     {@code '1'} for the constant one
 * @param size size code of the legend: {@code b w d q v z y x h f g n p s a t}, {@code 'o'} for dq,
 *     {@code 'Q'} for qq, {@code 'Z'} for zz
 * @param reg the fixed register, or {@link Reg#NONE}
 * @param signedByte an 8-bit immediate widened with its sign to the operand size
 */
public record OperandSpec(char kind, char size, Reg reg, boolean signedByte) {

  static OperandSpec parse(String text) {
    char first = text.charAt(0);
    if (text.startsWith("kv")) {
      return new OperandSpec('k', text.charAt(2), Reg.NONE, false);
    }
    if (first == '1') {
      return new OperandSpec('1', 'b', Reg.NONE, false);
    }
    if (text.equals("ST")) {
      return new OperandSpec('t', 't', Reg.st(0), false);
    }
    if (text.equals("STi")) {
      return new OperandSpec('i', 't', Reg.NONE, false);
    }
    if (Character.isLowerCase(first)) {
      // rax stands for the accumulator of the operand size; every other name is itself.
      char size = text.equals("rax") ? 'v' : text.equals("eax") ? 'z' : 0;
      return new OperandSpec('r', size, Reg.named(text), false);
    }
    String size = text.substring(1);
    return switch (size) {
      case "" -> new OperandSpec(first, 'm', Reg.NONE, false);
      case "dq" -> new OperandSpec(first, 'o', Reg.NONE, false);
      case "qq" -> new OperandSpec(first, 'Q', Reg.NONE, false);
      case "zz" -> new OperandSpec(first, 'Z', Reg.NONE, false);
      case "bs" -> new OperandSpec(first, 'b', Reg.NONE, true);
      default -> new OperandSpec(first, size.charAt(0), Reg.NONE, false);
    };
  }

  /**
   * {@return the size in bytes, 0 where the table leaves it open}
   *
   * @param insn supplies operand size and mode
   */
  public int bytes(Insn insn) {
    return switch (size) {
      case 'b' -> 1;
      case 'w' -> 2;
      case 'd' -> 4;
      case 'q' -> 8;
      case 'v' -> insn.osize;
      case 'z' -> Math.min(insn.osize, 4);
      case 'y' -> insn.osize == 8 ? 8 : 4;
      case 'x' -> insn.vlen;
      case 'h' -> insn.vlen / 2;
      case 'f' -> insn.vlen / 4;
      case 'g' -> insn.vlen / 8;
      case 'Z' -> 64;
      case 'o' -> 16;
      case 'Q' -> 32;
      case 't' -> 10;
      case 'n' -> insn.bits == 64 ? 8 : 4;
      case 'p' -> insn.osize + 2;
      case 's' -> insn.bits == 64 ? 10 : 6;
      case 'a' -> insn.osize * 2;
      default -> 0;
    };
  }

  /** {@return the size in bytes, a fixed register's by its name} */
  public int width(Insn insn) {
    int n = bytes(insn);
    return n != 0 ? n : reg.kind().bytes;
  }
}
