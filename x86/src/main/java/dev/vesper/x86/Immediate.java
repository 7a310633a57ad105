package dev.vesper.x86;

import org.jspecify.annotations.Nullable;

/** What ends the bytes of an instruction: an immediate, a branch distance, an offset. */
public enum Immediate {
  /** 8 bits ({@code ib}). */
  BYTE,
  /** 16 bits ({@code iw}). */
  WORD,
  /** The operand size, but 32 bits at most ({@code iz}). */
  OPERAND_AT_MOST_32,
  /** The operand size ({@code iv}). */
  OPERAND,
  /** A distance of 8 bits ({@code cb}). */
  NEAR_BYTE,
  /** A distance of 16 or 32 bits ({@code cz}). */
  NEAR,
  /** An offset of the address size, without ModRM. */
  OFFSET,
  /** Offset and selector of a far transfer, which the table's operand tells. */
  FAR_POINTER;

  /** {@return the immediate that a token of the table means, or null} */
  static @Nullable Immediate of(String token) {
    return switch (token) {
      case "ib" -> BYTE;
      case "iw" -> WORD;
      case "iz" -> OPERAND_AT_MOST_32;
      case "iv" -> OPERAND;
      case "cb" -> NEAR_BYTE;
      case "cz" -> NEAR;
      case "moffs" -> OFFSET;
      default -> null;
    };
  }
}
