package dev.vesper.x86;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Table-driven decoder for 16-, 32- and 64-bit code. It knows encodings only: whether a CPU has the
 * feature of a form is the caller's matter.
 */
public final class Decoder {
  /** What decoding came to. */
  public enum Outcome {
    /** {@link Insn} is complete. */
    OK,
    /** The bytes are no instruction: #UD. */
    UNDEFINED,
    /** The instruction needs more bytes than were given. */
    TRUNCATED,
    /** More than 15 bytes: #GP(0). */
    TOO_LONG
  }

  /** Bytes that an instruction has at most. */
  public static final int MAX_LENGTH = 15;

  private static final class More extends RuntimeException {
    private static final long serialVersionUID = 1;
    static final More SIGNAL = new More();

    private More() {
      super(null, null, false, false);
    }
  }

  private final byte[] code;
  private final int limit;
  private int pos;

  private Decoder(byte[] code, int start, int limit) {
    this.code = code;
    this.limit = Math.min(limit, start + MAX_LENGTH);
    this.pos = start;
  }

  /**
   * Decodes one instruction.
   *
   * @param code holds the bytes
   * @param start index of the first byte
   * @param limit index after the last byte that may be read
   * @param bits 16, 32 or 64
   * @param insn a fresh object to fill; its length and bytes are set for every outcome but {@link
   *     Outcome#TRUNCATED}
   */
  public static Outcome decode(byte[] code, int start, int limit, int bits, Insn insn) {
    Decoder d = new Decoder(code, start, limit);
    Outcome o;
    try {
      o = d.run(bits, insn);
    } catch (More e) {
      return limit - start >= MAX_LENGTH ? Outcome.TOO_LONG : Outcome.TRUNCATED;
    }
    insn.length = d.pos - start;
    insn.bytes = Arrays.copyOfRange(code, start, d.pos);
    return o;
  }

  /** Decodes from the start of an array; for tools and tests. */
  public static Insn decode(byte[] code, int bits) {
    Insn i = new Insn();
    decode(code, 0, code.length, bits, i);
    return i;
  }

  private int u8() {
    if (pos >= limit) {
      throw More.SIGNAL;
    }
    return code[pos++] & 0xFF;
  }

  private long signed(int bytes) {
    if (pos + bytes > limit) {
      pos = limit;
      throw More.SIGNAL;
    }
    long v = 0;
    for (int i = 0; i < bytes; i++) {
      v |= (code[pos + i] & 0xFFL) << 8 * i;
    }
    pos += bytes;
    int s = 64 - 8 * bytes;
    return v << s >> s;
  }

  private Outcome run(int bits, Insn in) {
    in.bits = bits;
    boolean mode64 = bits == 64;
    int rex = 0;
    int b;
    prefixes:
    for (; ; ) {
      b = u8();
      switch (b) {
        case 0x66 -> in.prefix66 = true;
        case 0x67 -> in.prefix67 = true;
        case 0xF0 -> in.lock = true;
        case 0xF2 -> {
          in.repne = true;
          in.rep = false;
        }
        case 0xF3 -> {
          in.rep = true;
          in.repne = false;
        }
        // The ES, CS, SS and DS overrides are null prefixes in 64-bit mode.
        case 0x26, 0x2E, 0x36, 0x3E -> {
          if (!mode64) {
            in.segOverride = b >> 3 & 3;
          }
        }
        case 0x64, 0x65 -> in.segOverride = b - 0x60;
        default -> {
          if (mode64 && (b & 0xF0) == 0x40) {
            rex = b;
            continue;
          }
          break prefixes;
        }
      }
      rex = 0;
    }
    in.rex = rex;
    int prefix = in.rep ? 2 : in.repne ? 3 : in.prefix66 ? 1 : 0;
    int map = 0;
    if (b == 0x0F) {
      b = u8();
      map = 1;
      if (b == 0x38 || b == 0x3A) {
        map = b == 0x38 ? 2 : 3;
        b = u8();
      }
    } else if ((b & 0xFE) == 0xC4 && (mode64 || pos >= limit || (code[pos] & 0xC0) == 0xC0)) {
      if (in.lock || prefix != 0 || rex != 0) {
        return Outcome.UNDEFINED;
      }
      int first = u8();
      int second = b == 0xC4 ? u8() : first;
      in.rex = ~first >> 5 & 4 | (b == 0xC4 ? ~first >> 5 & 3 | second >> 4 & 8 : 0) | 0x40;
      in.vvvv = ~second >> 3 & 15;
      in.vlen = (second & 4) != 0 ? 32 : 16;
      in.vex = true;
      map = 8 + (b == 0xC4 ? first & 31 : 1);
      prefix = new int[] {0, 1, 2, 3}[second & 3];
      if (map < 9 || map > 11) {
        return Outcome.UNDEFINED;
      }
      if (!mode64) {
        in.rex &= 0x48;
      }
      b = u8();
    }
    int extension = 0;
    if (map == 0 && b == 0x62 && (mode64 || pos >= limit || (code[pos] & 0xC0) == 0xC0)) {
      if (in.lock || prefix != 0 || rex != 0) {
        return Outcome.UNDEFINED;
      }
      int first = u8();
      int second = u8();
      int third = u8();
      map = 16 + (first & 7);
      boolean narrow = !mode64 && (third & 8) == 0;
      if ((first & 8) != 0 || (second & 4) == 0 || map < 17 || map > 19 || narrow) {
        return Outcome.UNDEFINED;
      }
      in.vex = true;
      in.evex = true;
      in.rex = ~first >> 5 & 7 | second >> 4 & 8 | 0x40;
      in.vvvv = ~second >> 3 & 15 | ~third << 1 & 16;
      in.mask = third & 7;
      in.zeroing = (third & 0x80) != 0;
      prefix = second & 3;
      // EVEX.b, L'L and R'.
      extension = third >> 4 & 7 | ~first << 4 & 0x100;
      if (!mode64) {
        in.rex &= 0x48;
        extension &= 0xFF;
      }
      b = u8();
    }
    OpcodeTable.Node node = OpcodeTable.node(mode64, map, b);
    if (node == null) {
      return Outcome.UNDEFINED;
    }
    if (node.modrm) {
      if (pos >= limit) {
        throw More.SIGNAL;
      }
      in.modrm = code[pos] & 0xFF;
    }
    List<Opcode> forms = node.get(prefix, Math.max(in.modrm, 0));
    if (forms == null) {
      return Outcome.UNDEFINED;
    }
    if (in.evex && !length(in, extension, in.modrm >= 0xC0, forms.get(0))) {
      return Outcome.UNDEFINED;
    }
    in.asize = mode64 ? (in.prefix67 ? 4 : 8) : (bits == 32) != in.prefix67 ? 4 : 2;
    Opcode op = choose(forms, in);
    if (op == null) {
      return Outcome.UNDEFINED;
    }
    boolean highMask =
        op.namesMaskInReg() && ((in.rex & 4) != 0 || (extension & 0x100) != 0)
            || op.namesMaskInVvvv() && in.vvvv > 7;
    if (highMask) {
      return Outcome.UNDEFINED;
    }
    in.opcode = op;
    if (op.hasModrm()) {
      pos++;
      if (in.evex && !masks(in, op)) {
        return Outcome.UNDEFINED;
      }
      if (op.vsib != Opcode.Vsib.NONE && ((in.modrm & 7) != 4 || in.asize == 2)) {
        return Outcome.UNDEFINED;
      }
      memory(in, op);
      if (in.evex && mode64) {
        wideRegisters(in, op, extension);
      }
    } else {
      // The register in the opcode, where the form has one.
      in.rm = b & 7 | (in.rex & 1) << 3;
    }
    immediates(in, op);
    if (in.lock && !(op.lock && in.mem) && !op.lockRegister) {
      in.opcode = null;
      return Outcome.UNDEFINED;
    }
    return Outcome.OK;
  }

  /** Takes the vector length, or the rounding that is in its place. */
  private static boolean length(Insn in, int extension, boolean registers, Opcode form) {
    int ll = extension >> 1 & 3;
    boolean b = (extension & 1) != 0;
    if (b && registers) {
      in.suppress = true;
      in.rounding = ll;
      // Rounding is for scalars and for whole registers.
      in.vlen = form.vectorScalar() ? 16 : 64;
      return true;
    }
    in.broadcast = b;
    in.vlen = 16 << ll;
    return ll < 3;
  }

  /** {@return whether masking, broadcasting and suppression suit the form} */
  private static boolean masks(Insn in, Opcode op) {
    OperandKind to = op.operands.get(0).kind();
    boolean toMemory = in.modrm < 0xC0 && (to == OperandKind.VECTOR_RM || to == OperandKind.MEMORY);
    boolean toMask = to == OperandKind.MASK;
    if (in.zeroing && (in.mask == 0 || toMemory || toMask || op.vsib != Opcode.Vsib.NONE)) {
      return false;
    }
    return !(op.maskRequired && in.mask == 0)
        && !(op.unmasked && in.mask != 0)
        && !(in.suppress && !op.suppressible)
        && !(in.broadcast && !op.broadcasts());
  }

  private static void wideRegisters(Insn in, Opcode op, int extension) {
    if (op.regIsVector()) {
      in.reg |= (extension & 0x100) >> 4;
    }
    if (!in.mem && op.rmIsVector()) {
      in.rm |= (in.rex & 2) << 3;
    }
    if (op.vsib != Opcode.Vsib.NONE) {
      in.index |= in.vvvv & 16;
    }
  }

  private static int operandSize(Insn in, Opcode op) {
    if (in.bits == 64) {
      if ((in.rex & 8) != 0) {
        return 8;
      }
      // A mandatory 66 does not shrink the operand; after it the size is that of an unprefixed
      // form.
      boolean small = in.prefix66 && op.prefix != 1;
      return small ? 2 : op.default64 ? 8 : 4;
    }
    boolean flip = in.prefix66 && op.prefix != 1;
    return (in.bits == 32) != flip ? 4 : 2;
  }

  /** {@return whether vvvv, which names nothing, is all ones; V' belongs to a vector index} */
  private static boolean free(Insn in, Opcode op) {
    return (op.vsib != Opcode.Vsib.NONE ? in.vvvv & 15 : in.vvvv) == 0;
  }

  private static @Nullable Opcode choose(List<Opcode> forms, Insn in) {
    for (Opcode op : forms) {
      int os = operandSize(in, op);
      if (op.onlyOsize != 0 && op.onlyOsize != os
          || op.onlyAsize != 0 && op.onlyAsize != in.asize
          || op.onlyW >= 0 && op.onlyW != (in.rex >> 3 & 1)
          || op.noRexB && (in.rex & 1) != 0
          || op.noRep && (in.rep || in.repne)
          || op.vexL == 0 && in.vlen != 16
          || op.vexL == 1 && in.vlen != 32
          || op.vexL == 3 && in.vlen != 64
          || op.vexL >= 0 && !op.usesVvvv() && !free(in, op)) {
        continue;
      }
      in.osize = os;
      if (in.bits != 64) {
        // There are eight registers; the top bit only counts where nothing is named.
        in.vvvv &= 7;
      }
      return op;
    }
    return null;
  }

  private void memory(Insn in, Opcode op) {
    int m = in.modrm;
    int mod = m >> 6;
    in.reg = m >> 3 & 7 | (in.rex & 4) << 1;
    int rm = m & 7;
    if (mod == 3 || op.modIgnored) {
      in.rm = rm | (in.rex & 1) << 3;
      return;
    }
    in.mem = true;
    if (in.asize == 2) {
      in.base = new int[] {3, 3, 5, 5, Insn.NO_REG, Insn.NO_REG, 5, 3}[rm];
      in.index = new int[] {6, 7, 6, 7, 6, 7, Insn.NO_REG, Insn.NO_REG}[rm];
      if (rm == 4 || rm == 5) {
        in.base = in.index;
        in.index = Insn.NO_REG;
      }
      if (mod == 0 && rm == 6) {
        in.base = Insn.NO_REG;
        in.disp = signed(2);
      } else if (mod != 0) {
        in.disp = signed(mod) * (in.evex && mod == 1 ? op.displacementUnit(in) : 1);
      }
      // SI and DI are not stack registers, and 16-bit forms never use SP; the base codes agree.
      return;
    }
    if (rm == 4) {
      int sib = u8();
      in.scale = sib >> 6;
      int index = sib >> 3 & 7 | (in.rex & 2) << 2;
      in.index = index == 4 && op.vsib == Opcode.Vsib.NONE ? Insn.NO_REG : index;
      in.base = sib & 7 | (in.rex & 1) << 3;
      if ((sib & 7) == 5 && mod == 0) {
        in.base = Insn.NO_REG;
        in.disp = signed(4);
      }
    } else if (rm == 5 && mod == 0) {
      in.base = in.bits == 64 ? Insn.RIP : Insn.NO_REG;
      in.disp = signed(4);
    } else {
      in.base = rm | (in.rex & 1) << 3;
    }
    if (mod == 1) {
      in.disp = signed(1) * (in.evex ? op.displacementUnit(in) : 1);
    } else if (mod == 2) {
      in.disp = signed(4);
    }
  }

  private void immediates(Insn in, Opcode op) {
    boolean second = false;
    for (Immediate kind : op.immediates()) {
      switch (kind) {
        case BYTE -> {
          if (second) {
            in.imm2 = u8();
          } else {
            in.imm = signed(1);
          }
        }
        case WORD -> in.imm = signed(2) & 0xFFFF;
        case OPERAND_AT_MOST_32, NEAR -> in.imm = signed(in.osize == 2 ? 2 : 4);
        case NEAR_BYTE -> in.imm = signed(1);
        case OPERAND -> in.imm = signed(in.osize);
        case OFFSET -> {
          in.disp = signed(in.asize);
          if (in.asize < 8) {
            in.disp &= in.asize == 2 ? 0xFFFFL : 0xFFFF_FFFFL;
          }
          in.mem = true;
        }
        case FAR_POINTER -> {
          in.imm = signed(in.osize == 2 ? 2 : 4);
          in.imm2 = (int) signed(2) & 0xFFFF;
        }
      }
      second = true;
    }
  }
}
