package dev.vesper.x86;

import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What the general-purpose instructions do that more than one part of a machine must know by
 * itself: to execute them, to translate them, to follow them. Everything else is {@link #OTHER} and
 * known by its mnemonic.
 */
public enum Operation {
  // Bits 5:3 of the opcode, or ModRM.reg, number the first eight.
  ADD(0),
  OR(1),
  ADC(2),
  SBB(3),
  AND(4),
  SUB(5),
  XOR(6),
  CMP(7),
  TEST(8),

  INC(0),
  DEC(1),
  NOT(2),
  NEG(3),

  // As ModRM.reg numbers them.
  ROL(0),
  ROR(1),
  RCL(2),
  RCR(3),
  SHL(4),
  SHR(5),
  SAR(7),

  MOV,
  MOVZX,
  /** MOVSX and MOVSXD. */
  MOVSX,
  LEA,
  XCHG,
  XADD,
  CMPXCHG,
  BSWAP,
  IMUL,
  MUL,
  BT,
  BSF,
  BSR,
  CWDE,
  CDQE,
  CDQ,
  CQO,

  PUSH,
  POP,
  LEAVE,

  JMP,
  CALL,
  RET,
  /** A jump on a {@link #condition}. */
  JCC,
  /** A jump on rCX being 0, in each address size. */
  JCXZ,
  LOOPNE(0),
  LOOPE(1),
  LOOP(2),

  CMOVCC,
  SETCC,

  MOVS,
  CMPS,
  SCAS,
  LODS,
  STOS,

  /** No effect that a program could see: NOP, ENDBR, prefetches and fences. */
  HINT,

  OTHER;

  /** Which of its group, as encodings count them; -1 where they do not. */
  public final int number;

  Operation() {
    this(-1);
  }

  Operation(int number) {
    this.number = number;
  }

  private static final List<String> CONDITIONS =
      List.of(
          "o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g");

  private static final Map<String, Operation> BY_MNEMONIC = new HashMap<>();

  static {
    for (Operation o : values()) {
      if (o != JCC && o != CMOVCC && o != SETCC && o != HINT && o != OTHER) {
        BY_MNEMONIC.put(o.name().toLowerCase(Locale.ROOT), o);
      }
    }
    for (String c : CONDITIONS) {
      BY_MNEMONIC.put("j" + c, JCC);
      BY_MNEMONIC.put("cmov" + c, CMOVCC);
      BY_MNEMONIC.put("set" + c, SETCC);
    }
    BY_MNEMONIC.put("movsxd", MOVSX);
    BY_MNEMONIC.put("jecxz", JCXZ);
    BY_MNEMONIC.put("jrcxz", JCXZ);
    for (String m :
        List.of(
            "nop",
            "endbr64",
            "endbr32",
            "prefetch",
            "prefetchw",
            "prefetchnta",
            "prefetcht0",
            "prefetcht1",
            "prefetcht2",
            "lfence",
            "mfence",
            "sfence")) {
      BY_MNEMONIC.put(m, HINT);
    }
  }

  /** {@return the operation of a mnemonic} */
  public static Operation of(String mnemonic) {
    return BY_MNEMONIC.getOrDefault(mnemonic, OTHER);
  }

  /**
   * {@return the number of the condition in a mnemonic of this operation: the low four bits of the
   * opcode; -1 if there is none}
   */
  public int condition(String mnemonic) {
    return switch (this) {
      case JCC -> CONDITIONS.indexOf(mnemonic.substring(1));
      case CMOVCC -> CONDITIONS.indexOf(mnemonic.substring(4));
      case SETCC -> CONDITIONS.indexOf(mnemonic.substring(3));
      default -> -1;
    };
  }
}
