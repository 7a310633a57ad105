package dev.vesper.x86;

import java.util.EnumSet;
import java.util.Set;

/** How wide an operand is: the suffixes of the opcode table's legend. */
public enum OperandSize {
  /** 8 bits ({@code b}). */
  BYTE,
  /** 16 bits ({@code w}). */
  WORD,
  /** 32 bits ({@code d}). */
  DWORD,
  /** 64 bits ({@code q}). */
  QWORD,
  /** 80 bits ({@code t}). */
  BYTES_10,
  /** 128 bits ({@code dq}). */
  BYTES_16,
  /** 256 bits ({@code qq}). */
  BYTES_32,
  /** 512 bits ({@code zz}). */
  BYTES_64,
  /** The operand size ({@code v}). */
  OPERAND,
  /** The operand size, but 32 bits at most ({@code z}). */
  OPERAND_AT_MOST_32,
  /** 64 bits with REX.W, else 32 ({@code y}). */
  REX_W,
  /** The vector length ({@code x}), and fractions of it ({@code h f g}). */
  VECTOR,
  HALF_VECTOR,
  QUARTER_VECTOR,
  EIGHTH_VECTOR,
  /** The width of the mode: 64 bits in 64-bit mode, else 32 ({@code n}). */
  MODE,
  /** Selector and offset ({@code p}). */
  FAR_POINTER,
  /** Limit and base of a descriptor table ({@code s}). */
  TABLE,
  /** Two of the operand size ({@code a}). */
  PAIR,
  /** That of the fixed register by its name. */
  REGISTER,
  /** The table leaves it open. */
  OPEN;

  /** {@return the size that a suffix of the table means} */
  static OperandSize of(String suffix) {
    return switch (suffix) {
      case "" -> OPEN;
      case "b", "bs" -> BYTE;
      case "w" -> WORD;
      case "d" -> DWORD;
      case "q" -> QWORD;
      case "t" -> BYTES_10;
      case "dq" -> BYTES_16;
      case "qq" -> BYTES_32;
      case "zz" -> BYTES_64;
      case "v" -> OPERAND;
      case "z" -> OPERAND_AT_MOST_32;
      case "y" -> REX_W;
      case "x" -> VECTOR;
      case "h" -> HALF_VECTOR;
      case "f" -> QUARTER_VECTOR;
      case "g" -> EIGHTH_VECTOR;
      case "n" -> MODE;
      case "p" -> FAR_POINTER;
      case "s" -> TABLE;
      case "a" -> PAIR;
      default -> throw new AssertionError("opcode table: no size " + suffix);
    };
  }

  private static final Set<OperandSize> BY_PREFIX =
      EnumSet.of(OPERAND, OPERAND_AT_MOST_32, REX_W, FAR_POINTER, PAIR);

  /** {@return whether the operand-size prefix or REX.W changes it} */
  boolean followsOperandSize() {
    return BY_PREFIX.contains(this);
  }

  /**
   * {@return the size in bytes, 0 where the form does not say it}
   *
   * @param insn supplies operand size, vector length and mode
   */
  int bytes(Insn insn) {
    return switch (this) {
      case BYTE -> 1;
      case WORD -> 2;
      case DWORD -> 4;
      case QWORD -> 8;
      case BYTES_10 -> 10;
      case BYTES_16 -> 16;
      case BYTES_32 -> 32;
      case BYTES_64 -> 64;
      case OPERAND -> insn.osize;
      case OPERAND_AT_MOST_32 -> Math.min(insn.osize, 4);
      case REX_W -> insn.osize == 8 ? 8 : 4;
      case VECTOR -> insn.vlen;
      case HALF_VECTOR -> insn.vlen / 2;
      case QUARTER_VECTOR -> insn.vlen / 4;
      case EIGHTH_VECTOR -> insn.vlen / 8;
      case MODE -> insn.bits == 64 ? 8 : 4;
      case FAR_POINTER -> insn.osize + 2;
      case TABLE -> insn.bits == 64 ? 10 : 6;
      case PAIR -> insn.osize * 2;
      case REGISTER, OPEN -> 0;
    };
  }
}
