package dev.vesper.x86;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** One decoded instruction. The decoder fills it; afterwards it is treated as immutable. */
public final class Insn {
  /** No base or no index register. */
  public static final int NO_REG = -1;

  /** Base register code of RIP-relative addressing. */
  public static final int RIP = 16;

  /** The table's form, or null where the bytes are no instruction. */
  public @Nullable Opcode opcode;

  /** Code width of the segment: 16, 32 or 64. */
  public int bits;

  /** Length in bytes, 1..15. */
  public int length;

  /** The instruction's own bytes. */
  public byte[] bytes = {};

  /** Effective operand size in bytes: 2, 4 or 8. */
  public int osize;

  /** Effective address size in bytes: 2, 4 or 8. */
  public int asize;

  /** Segment override 0..5 (ES CS SS DS FS GS), or -1. */
  public int segOverride = -1;

  /** A LOCK prefix was present. */
  public boolean lock;

  /** F3 was the last of F2/F3. */
  public boolean rep;

  /** F2 was the last of F2/F3. */
  public boolean repne;

  /** 66 was present. */
  public boolean prefix66;

  /** 67 was present. */
  public boolean prefix67;

  /** The REX byte that counts, or 0. */
  public int rex;

  /** The encoding is VEX. */
  public boolean vex;

  /** The encoding is EVEX. */
  public boolean evex;

  /** Vector length in bytes: 16, 32 or 64. */
  public int vlen = 16;

  /** VEX.vvvv, 0..31. */
  public int vvvv;

  /** EVEX.aaa: the mask register, 0 for none. */
  public int mask;

  /** EVEX.z: masked elements become zero. */
  public boolean zeroing;

  /** EVEX.b with a memory operand: one element is read for all. */
  public boolean broadcast;

  /** EVEX.b with registers: exceptions are suppressed. */
  public boolean suppress;

  /** Rounding that EVEX.L'L gives with {@link #suppress}: 0 nearest, 1 down, 2 up, 3 to zero. */
  public int rounding;

  /** The whole ModRM byte, or -1. */
  public int modrm = -1;

  /** ModRM.reg with REX.R and EVEX.R'. */
  public int reg;

  /** ModRM.rm with REX.B, or the register in the opcode. */
  public int rm;

  /** ModRM names memory. */
  public boolean mem;

  /** Base register 0..15, {@link #RIP} or {@link #NO_REG}. */
  public int base = NO_REG;

  /** Index register or {@link #NO_REG}; of VSIB addressing, the number of the vector register. */
  public int index = NO_REG;

  /** Shift of the index: 0..3. */
  public int scale;

  /** Displacement, sign-extended; a memory offset without ModRM, of the address size. */
  public long disp;

  /** First immediate, sign-extended; the offset of a far pointer. */
  public long imm;

  /** Second immediate: ENTER's level, a far pointer's selector. */
  public int imm2;

  /** {@return the segment of the ModRM memory operand, 0..5, with overrides applied} */
  public int segment() {
    if (segOverride >= 0) {
      return segOverride;
    }
    return stackBased() ? 2 : 3;
  }

  /** {@return whether the base register makes SS the default segment} */
  public boolean stackBased() {
    return base == 4 || base == 5;
  }

  /** {@return the bits of an address that count by the address size} */
  public long addressMask() {
    return asize == 8 ? -1L : asize == 4 ? 0xFFFF_FFFFL : 0xFFFFL;
  }

  /** {@return the vector register that bits 7:4 of the immediate name} */
  public int immRegister() {
    return (int) imm >> 4 & (bits == 64 ? 15 : 7);
  }

  /** {@return the mnemonic, or {@code "(bad)"}} */
  public String mnemonic() {
    Opcode o = opcode;
    return o == null ? "(bad)" : o.mnemonic;
  }

  /** {@return what the instruction does, if that has a name of its own} */
  public Operation operation() {
    Opcode o = opcode;
    return o == null ? Operation.OTHER : o.operation;
  }

  /**
   * {@return the table's form}
   *
   * @throws IllegalStateException if the bytes are no instruction
   */
  public Opcode form() {
    Opcode o = opcode;
    if (o == null) {
      throw new IllegalStateException("not an instruction: " + Arrays.toString(bytes));
    }
    return o;
  }

  /** {@return the bytes as lower-case hex pairs separated by spaces} */
  public String hex() {
    StringBuilder b = new StringBuilder();
    for (byte x : bytes) {
      if (!b.isEmpty()) {
        b.append(' ');
      }
      b.append(Character.forDigit(x >> 4 & 15, 16)).append(Character.forDigit(x & 15, 16));
    }
    return b.toString();
  }
}
