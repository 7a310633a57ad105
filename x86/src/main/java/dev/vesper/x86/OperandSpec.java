package dev.vesper.x86;

/**
 * One operand column of the opcode table.
 *
 * @param kind where the operand is found
 * @param size how wide it is
 * @param reg the fixed register, or {@link Reg#NONE}
 * @param signedByte an 8-bit immediate widened with its sign to the operand size
 */
public record OperandSpec(OperandKind kind, OperandSize size, Reg reg, boolean signedByte) {

  static OperandSpec parse(String text) {
    char first = text.charAt(0);
    if (text.startsWith("kv")) {
      return of(OperandKind.MASK_VVVV, OperandSize.of(text.substring(2)));
    }
    if (first == '1') {
      return of(OperandKind.ONE, OperandSize.BYTE);
    }
    if (text.equals("ST")) {
      return new OperandSpec(OperandKind.ST, OperandSize.BYTES_10, Reg.st(0), false);
    }
    if (text.equals("STi")) {
      return of(OperandKind.STI, OperandSize.BYTES_10);
    }
    if (Character.isLowerCase(first)) {
      // rax stands for the accumulator of the operand size; every other name is itself.
      OperandSize size =
          text.equals("rax")
              ? OperandSize.OPERAND
              : text.equals("eax") ? OperandSize.OPERAND_AT_MOST_32 : OperandSize.REGISTER;
      return new OperandSpec(OperandKind.FIXED, size, Reg.named(text), false);
    }
    String size = text.substring(1);
    return new OperandSpec(
        OperandKind.of(first), OperandSize.of(size), Reg.NONE, size.equals("bs"));
  }

  private static OperandSpec of(OperandKind kind, OperandSize size) {
    return new OperandSpec(kind, size, Reg.NONE, false);
  }

  /**
   * {@return the size in bytes, 0 where the table leaves it open}
   *
   * @param insn supplies operand size, vector length and mode
   */
  public int bytes(Insn insn) {
    return size.bytes(insn);
  }

  /** {@return the size in bytes, a fixed register's by its name} */
  public int width(Insn insn) {
    int n = bytes(insn);
    return n != 0 ? n : reg.kind().bytes;
  }
}
