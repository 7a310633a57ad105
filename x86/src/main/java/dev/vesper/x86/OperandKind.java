package dev.vesper.x86;

/** Where an operand is found: the letters of the opcode table's legend. */
public enum OperandKind {
  /** ModRM.rm: a general register or memory. */
  RM('E'),
  /** ModRM.reg: a general register. */
  REG('G'),
  /** ModRM.rm: memory alone. */
  MEMORY('M'),
  /** ModRM.rm: a general register alone. */
  RM_REGISTER('R'),
  /** The low bits of the opcode: a general register. */
  OPCODE_REGISTER('Z'),
  /** ModRM.reg: a segment register. */
  SEGMENT('S'),
  /** ModRM.reg: a control register. */
  CONTROL('C'),
  /** ModRM.reg: a debug register. */
  DEBUG('D'),
  /** VEX.vvvv: a general register. */
  VVVV('B'),
  /** An immediate. */
  IMMEDIATE('I'),
  /** The target of a branch, relative to the next instruction. */
  RELATIVE('J'),
  /** Selector and offset in the bytes. */
  FAR_POINTER('A'),
  /** Memory at an offset without ModRM. */
  OFFSET('O'),
  /** Memory at DS:rSI. */
  SOURCE('X'),
  /** Memory at ES:rDI. */
  DESTINATION('Y'),
  /** ModRM.reg: an MMX register. */
  MMX('P'),
  /** ModRM.rm: an MMX register or memory. */
  MMX_RM('Q'),
  /** ModRM.rm: an MMX register alone. */
  MMX_RM_REGISTER('N'),
  /** ModRM.reg: a vector register. */
  VECTOR('V'),
  /** ModRM.rm: a vector register or memory. */
  VECTOR_RM('W'),
  /** ModRM.rm: a vector register alone. */
  VECTOR_RM_REGISTER('U'),
  /** VEX.vvvv: a vector register. */
  VECTOR_VVVV('H'),
  /** Bits 7:4 of the immediate: a vector register. */
  VECTOR_IMMEDIATE('L'),
  /** ModRM.reg: an opmask register. */
  MASK('K'),
  /** ModRM.rm: an opmask register or memory. */
  MASK_RM('T'),
  /** VEX.vvvv: an opmask register. */
  MASK_VVVV('k'),
  /** The top of the x87 stack. */
  ST('t'),
  /** ModRM.rm: a register of the x87 stack. */
  STI('i'),
  /** A register that the form names. */
  FIXED('r'),
  /** The constant one. */
  ONE('1');

  /** What the table writes: {@code k} for kv, {@code t} for ST, {@code i} for STi. */
  private final char letter;

  OperandKind(char letter) {
    this.letter = letter;
  }

  private static final OperandKind[] BY_LETTER = new OperandKind[128];

  static {
    for (OperandKind k : values()) {
      BY_LETTER[k.letter] = k;
    }
  }

  /** {@return the kind that a letter of the table means} */
  static OperandKind of(char letter) {
    return BY_LETTER[letter];
  }
}
