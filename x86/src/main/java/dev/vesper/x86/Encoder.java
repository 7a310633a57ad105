package dev.vesper.x86;

import java.io.ByteArrayOutputStream;
import java.util.Set;

/**
 * Turns a form of the table and the fields of an {@link Insn} into bytes: the decoder backwards.
 */
final class Encoder {
  /** Instructions without an operand of variable size whose size a prefix changes all the same. */
  private static final Set<String> SIZED =
      Set.of(
          "push", "pop", "pusha", "popa", "pushf", "popf", "ret", "retf", "iret", "leave", "enter",
          "sysret", "sysexit");

  /** The fields cannot be expressed in this form. */
  static final class Unencodable extends Exception {
    private static final long serialVersionUID = 1;

    Unencodable(String why) {
      super(why);
    }
  }

  private Encoder() {}

  /**
   * {@return the bytes of an instruction}
   *
   * @param op the form
   * @param in operand fields, sizes and prefixes; {@code rex} holds only a wish for an empty REX
   * @throws Unencodable where no byte sequence of this form has these fields
   */
  static byte[] encode(Opcode op, Insn in) throws Unencodable {
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    boolean mode64 = in.bits == 64;
    if (mode64 ? op.not64 : op.only64) {
      throw new Unencodable("not in this mode");
    }
    if (in.segOverride >= 0) {
      b.write(in.segOverride < 4 ? 0x26 + 8 * in.segOverride : 0x60 + in.segOverride);
    }
    if (in.lock) {
      b.write(0xF0);
    }
    if (op.map < 8 && op.prefix <= 0) {
      if (in.rep) {
        b.write(0xF3);
      } else if (in.repne) {
        b.write(0xF2);
      }
    }
    int natural = mode64 ? 8 : in.bits / 8;
    if (in.asize != natural) {
      if (!mode64 ? in.asize == 8 : in.asize == 2) {
        throw new Unencodable("address size");
      }
      b.write(0x67);
    }
    int dflt = mode64 ? (op.default64 ? 8 : 4) : in.bits / 8;
    boolean w = false;
    boolean sized =
        op.operands.stream().anyMatch(o -> o.size().followsOperandSize())
            || op.onlyOsize != 0
            || SIZED.contains(op.mnemonic);
    if (op.map >= 8) {
      // VEX has no operand-size prefix, only W.
      w = in.osize == 8 && mode64 && op.onlyW != 0;
    } else if (op.prefix == 1) {
      w = in.osize == 8 && mode64 && !op.default64;
    } else if (in.osize != dflt && sized) {
      if (in.osize == 8) {
        w = true;
      } else if (op.prefix == 0) {
        throw new Unencodable("66 would make it another instruction");
      } else if (in.osize == 2 || !mode64) {
        b.write(0x66);
      } else {
        throw new Unencodable("operand size");
      }
    }
    w |= op.onlyW == 1;
    if (op.onlyW == 0 && in.osize == 8) {
      throw new Unencodable("operand size");
    }
    if (w && !mode64 && op.map < 8) {
      throw new Unencodable("64-bit operand");
    }
    int rex = (w && op.map < 8 ? 8 : 0) | (op.modrmKind == Opcode.MODRM ? (in.reg & 8) >> 1 : 0);
    if (in.mem) {
      rex |= in.index >= 0 ? in.index >> 2 & 2 : 0;
      rex |= in.base >= 8 && in.base != Insn.RIP ? 1 : 0;
    } else if (op.plusR || op.modrmKind == Opcode.MODRM || op.modrmKind == Opcode.DIGIT) {
      rex |= in.rm >> 3 & 1;
    }
    if (rex != 0 && !mode64) {
      throw new Unencodable("register needs 64-bit mode");
    }
    if (op.map >= 16) {
      evex(b, op, in, rex, w);
    } else if (op.map >= 8) {
      int l = op.vexL == 1 || op.vexL == 2 && in.vlen == 32 ? 4 : 0;
      int tail = (op.onlyW == 1 || w ? 0x80 : 0) | (~in.vvvv & 15) << 3 | l | op.prefix;
      if ((rex & 3) == 0 && (tail & 0x80) == 0 && op.map == 9) {
        b.write(0xC5);
        b.write((rex & 4) != 0 ? tail : tail | 0x80);
      } else {
        b.write(0xC4);
        b.write((~rex & 7) << 5 | op.map - 8);
        b.write(tail);
      }
    } else {
      if (op.prefix > 0) {
        b.write(new int[] {0, 0x66, 0xF3, 0xF2}[op.prefix]);
      }
      if (rex != 0 || in.rex != 0) {
        if (!mode64) {
          throw new Unencodable("REX");
        }
        b.write(0x40 | rex);
      }
      if (op.map > 0) {
        b.write(0x0F);
      }
      if (op.map > 1) {
        b.write(op.map == 2 ? 0x38 : 0x3A);
      }
    }
    b.write(op.plusR ? op.opcode | in.rm & 7 : op.opcode);
    switch (op.modrmKind) {
      case Opcode.FIXED -> b.write(op.plusI ? op.digit | in.rm & 7 : op.digit);
      case Opcode.DIGIT -> modrm(b, in, op.digit, op);
      case Opcode.MODRM -> modrm(b, in, in.reg & 7, op);
      default -> {
        // no ModRM byte
      }
    }
    boolean second = false;
    for (Immediate kind : op.immediates()) {
      switch (kind) {
        case BYTE, NEAR_BYTE -> put(b, second ? in.imm2 : in.imm, 1);
        case WORD -> put(b, in.imm, 2);
        case OPERAND_AT_MOST_32, NEAR -> put(b, in.imm, in.osize == 2 ? 2 : 4);
        case OPERAND -> put(b, in.imm, in.osize);
        case OFFSET -> put(b, in.disp, in.asize);
        case FAR_POINTER -> {
          put(b, in.imm, in.osize == 2 ? 2 : 4);
          put(b, in.imm2, 2);
        }
      }
      second = true;
    }
    return b.toByteArray();
  }

  private static void evex(ByteArrayOutputStream b, Opcode op, Insn in, int rex, boolean w) {
    int high = op.regIsVector() ? in.reg >> 4 & 1 : 0;
    int x = !in.mem && op.rmIsVector() ? in.rm >> 4 & 1 : rex >> 1 & 1;
    int v = op.vsib != Opcode.Vsib.NONE ? in.index >> 4 & 1 : in.vvvv >> 4 & 1;
    int length = in.suppress ? in.rounding : in.vlen == 64 ? 2 : in.vlen == 32 ? 1 : 0;
    b.write(0x62);
    b.write((~rex & 4) << 5 | (x ^ 1) << 6 | (~rex & 1) << 5 | (high ^ 1) << 4 | op.map - 16);
    b.write((op.onlyW == 1 || w ? 0x80 : 0) | (~in.vvvv & 15) << 3 | 4 | op.prefix);
    b.write(
        (in.zeroing ? 0x80 : 0)
            | length << 5
            | (in.broadcast || in.suppress ? 0x10 : 0)
            | (v ^ 1) << 3
            | in.mask);
  }

  private static void put(ByteArrayOutputStream b, long v, int bytes) {
    for (int i = 0; i < bytes; i++) {
      b.write((int) (v >> 8 * i));
    }
  }

  private static void modrm(ByteArrayOutputStream b, Insn in, int reg, Opcode op)
      throws Unencodable {
    int r = reg << 3;
    if (!in.mem) {
      if (op.memOnly) {
        throw new Unencodable("register operand");
      }
      b.write(0xC0 | r | in.rm & 7);
      return;
    }
    if (op.regOnly) {
      throw new Unencodable("memory operand");
    }
    long d = in.disp;
    int unit = op.isEvex() ? op.displacementUnit(in) : 1;
    boolean small = d % unit == 0 && d / unit == (byte) (d / unit);
    if (in.asize == 2) {
      int rm = rm16(in);
      if (rm == 8) {
        b.write(r | 6);
        put(b, d, 2);
      } else if (d == 0 && rm != 6) {
        b.write(r | rm);
      } else {
        b.write((small ? 0x40 : 0x80) | r | rm);
        put(b, small ? d / unit : d, small ? 1 : 2);
      }
      return;
    }
    if (in.base == Insn.RIP) {
      b.write(r | 5);
      put(b, d, 4);
      return;
    }
    boolean sib = in.index >= 0 || in.base >= 0 && (in.base & 7) == 4;
    if (in.base < 0) {
      if (in.index < 0 && in.bits != 64 && op.vsib == Opcode.Vsib.NONE) {
        b.write(r | 5);
      } else {
        b.write(r | 4);
        b.write(in.scale << 6 | (in.index < 0 ? 4 : in.index & 7) << 3 | 5);
      }
      put(b, d, 4);
      return;
    }
    int mod = d == 0 && (in.base & 7) != 5 ? 0 : small ? 1 : 2;
    b.write(mod << 6 | r | (sib ? 4 : in.base & 7));
    if (sib) {
      b.write(in.scale << 6 | (in.index < 0 ? 4 : in.index & 7) << 3 | in.base & 7);
    }
    put(b, mod == 1 ? d / unit : d, mod == 0 ? 0 : mod == 1 ? 1 : 4);
  }

  private static int rm16(Insn in) throws Unencodable {
    int x = Math.max(in.base, in.index);
    int y = Math.min(in.base, in.index);
    if (x < 0) {
      return 8;
    }
    if (y < 0) {
      return switch (x) {
        case 6 -> 4;
        case 7 -> 5;
        case 5 -> 6;
        case 3 -> 7;
        default -> throw new Unencodable("16-bit address");
      };
    }
    if ((x == 6 || x == 7) && (y == 3 || y == 5)) {
      return (x - 6) | (y == 5 ? 2 : 0);
    }
    throw new Unencodable("16-bit address");
  }
}
