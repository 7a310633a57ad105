package dev.vesper.x86;

import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/** Writes instructions as text, in the AT&amp;T or the Intel syntax of the GNU tools. */
public final class Formatter {
  /** The two syntaxes. */
  public enum Syntax {
    ATT,
    INTEL
  }

  /** Sizes of memory operands for which AT&T's mnemonics have a suffix. */
  private static final Set<OperandSize> SUFFIXED =
      EnumSet.of(OperandSize.BYTE, OperandSize.OPERAND, OperandSize.OPERAND_AT_MOST_32);

  private static final String[] SIZE_NAMES = {
    "",
    "BYTE PTR ",
    "WORD PTR ",
    "",
    "DWORD PTR ",
    "",
    "",
    "",
    "QWORD PTR ",
    "",
    "TBYTE PTR ",
    "",
    "",
    "",
    "",
    "",
    "XMMWORD PTR "
  };
  private static final String YMMWORD = "YMMWORD PTR ";
  private static final String ZMMWORD = "ZMMWORD PTR ";
  private static final Set<String> NO_SUFFIX =
      Set.of("lea", "movzx", "movsx", "movsxd", "lar", "lsl", "bound", "cmpxchg8b", "cmpxchg16b");

  private final Syntax syntax;

  /** A formatter for one syntax; it has no other state. */
  public Formatter(Syntax syntax) {
    this.syntax = syntax;
  }

  /**
   * {@return the instruction as text}
   *
   * @param in what the decoder filled; an undefined one gives {@code (bad)}
   * @param rip address of the instruction, for branch targets and RIP-relative operands
   */
  public String format(Insn in, long rip) {
    Opcode op = in.opcode;
    if (op == null) {
      return "(bad)";
    }
    StringBuilder s = new StringBuilder();
    if (in.lock) {
      s.append("lock ");
    }
    if (op.repeatable() && (in.rep || in.repne)) {
      s.append(!op.conditionalRep() ? "rep " : in.rep ? "repz " : "repnz ");
    }
    List<String> ops = new ArrayList<>();
    boolean implied = false;
    boolean second = false;
    for (OperandSpec spec : op.operands) {
      if (spec.kind() == OperandKind.IMMEDIATE && second) {
        ops.add(imm(in.imm2));
      } else if (spec.kind() == OperandKind.SOURCE || spec.kind() == OperandKind.DESTINATION) {
        ops.add(string(in, spec));
      } else {
        ops.add(operand(in, spec, rip));
      }
      if (in.mask != 0 && ops.size() == 1) {
        ops.set(
            0,
            ops.get(0)
                + "{"
                + reg(new Reg(Reg.Kind.MASK, in.mask))
                + "}"
                + (in.zeroing ? "{z}" : ""));
      }
      second |= spec.kind() == OperandKind.IMMEDIATE;
      implied |= isRegister(in, spec);
    }
    if (in.suppress) {
      int at = op.immediates().isEmpty() ? ops.size() : ops.size() - 1;
      String[] roundings = {"{rn-sae}", "{rd-sae}", "{ru-sae}", "{rz-sae}"};
      ops.add(at, op.roundsEmbedded() ? roundings[in.rounding] : "{sae}");
    }
    s.append(name(in, op, implied));
    if (syntax == Syntax.ATT && !op.mnemonic.equals("enter") && !op.mnemonic.equals("bound")) {
      Collections.reverse(ops);
    }
    if (!ops.isEmpty()) {
      s.append(' ').append(String.join(",", ops));
    }
    return s.toString();
  }

  private static boolean isRegister(Insn in, OperandSpec spec) {
    return switch (spec.kind()) {
      case RM -> !in.mem;
      case REG, OPCODE_REGISTER, RM_REGISTER -> true;
      case FIXED ->
          spec.reg().isGpr() && !spec.reg().name().equals("cl") && !spec.reg().name().equals("dx");
      case MMX, VECTOR, MMX_RM_REGISTER, VECTOR_RM_REGISTER, VECTOR_VVVV -> true;
      default -> false;
    };
  }

  private String name(Insn in, Opcode op, boolean implied) {
    String m = op.mnemonic;
    if (m.equals("vmgexit")) {
      return "vmgexit";
    }
    if (op.operands.stream()
        .anyMatch(o -> o.kind() == OperandKind.SOURCE || o.kind() == OperandKind.DESTINATION)) {
      return m
          + suffix(
              op.operands.get(0).bytes(in) == 0 ? op.operands.get(1).bytes(in) : widest(in, op));
    }
    if (syntax == Syntax.INTEL) {
      return switch (m) {
        case "iret" -> in.osize == 2 ? "iretw" : in.osize == 8 ? "iretq" : "iret";
        case "retf", "callf", "jmpf" -> m.equals("retf") ? "retf" : m.substring(0, m.length() - 1);
        default -> m;
      };
    }
    switch (m) {
      case "movzx":
      case "movsx":
        return m.substring(0, 4)
            + (op.operands.get(1).size() == OperandSize.BYTE ? "b" : "w")
            + suffix(in.osize);
      case "movsxd":
        return "movsl" + suffix(in.osize);
      case "cbw":
        return "cbtw";
      case "cwde":
        return "cwtl";
      case "cdqe":
        return "cltq";
      case "cwd":
        return "cwtd";
      case "cdq":
        return "cltd";
      case "cqo":
        return "cqto";
      case "callf":
        return "lcall" + (in.mem ? "*" : "");
      case "jmpf":
        return "ljmp" + (in.mem ? "*" : "");
      case "retf":
        return "lret";
      default:
        break;
    }
    boolean sized =
        !implied
            && !NO_SUFFIX.contains(m)
            && in.mem
            && op.operands.stream()
                .anyMatch(o -> o.kind() == OperandKind.RM && SUFFIXED.contains(o.size()));
    if (sized) {
      for (OperandSpec o : op.operands) {
        if (o.kind() == OperandKind.RM) {
          return m + suffix(o.bytes(in));
        }
      }
    }
    return m;
  }

  private static int widest(Insn in, Opcode op) {
    int w = 0;
    for (OperandSpec o : op.operands) {
      if (o.kind() == OperandKind.SOURCE || o.kind() == OperandKind.DESTINATION) {
        w = Math.max(w, o.bytes(in));
      }
    }
    return w;
  }

  private String suffix(int bytes) {
    return switch (bytes) {
      case 1 -> "b";
      case 2 -> "w";
      case 4 -> syntax == Syntax.ATT ? "l" : "d";
      case 8 -> "q";
      default -> "";
    };
  }

  private String reg(Reg r) {
    return (syntax == Syntax.ATT ? "%" : "") + r.name();
  }

  private String string(Insn in, OperandSpec spec) {
    int seg = spec.kind() == OperandKind.DESTINATION ? 0 : in.segOverride >= 0 ? in.segOverride : 3;
    String base = Reg.gpr(in.asize, spec.kind() == OperandKind.DESTINATION ? 7 : 6, true).name();
    String segName = new Reg(Reg.Kind.SEG, seg).name();
    if (syntax == Syntax.ATT) {
      return "%" + segName + ":(%" + base + ")";
    }
    return SIZE_NAMES[spec.bytes(in)] + segName + ":[" + base + "]";
  }

  private String operand(Insn in, OperandSpec spec, long rip) {
    boolean rex = in.rex != 0;
    int bytes = spec.bytes(in);
    return switch (spec.kind()) {
      case FIXED ->
          reg(
              spec.size() == OperandSize.OPERAND || spec.size() == OperandSize.OPERAND_AT_MOST_32
                  ? Reg.gpr(bytes, spec.reg().index(), rex)
                  : spec.reg());
      case ST -> reg(spec.reg()).replace("(0)", "");
      case STI -> reg(Reg.st(in.rm & 7));
      case ONE -> imm(1);
      case REG -> reg(Reg.gpr(bytes, in.reg, rex));
      case OPCODE_REGISTER -> reg(Reg.gpr(bytes, in.rm, rex));
      case RM_REGISTER -> reg(Reg.gpr(bytes == 0 ? in.osize : bytes, in.rm, rex));
      case VVVV -> reg(Reg.gpr(bytes, in.vvvv, true));
      case RM ->
          in.mem
              ? memory(
                  in,
                  in.opcode != null && in.opcode.memBytes != 0 ? in.opcode.memBytes : bytes,
                  rip)
              : indirect(in) + reg(Reg.gpr(bytes, in.rm, rex));
      case MEMORY -> memory(in, bytes, rip);
      case OFFSET -> memory(in, bytes, rip);
      case IMMEDIATE -> immediate(in, spec, bytes);
      case RELATIVE -> hex(branchTarget(in, rip));
      case FAR_POINTER ->
          syntax == Syntax.ATT
              ? "$" + hex(in.imm2) + ",$" + hex(in.imm & (in.osize == 2 ? 0xFFFFL : 0xFFFF_FFFFL))
              : hex(in.imm2) + ":" + hex(in.imm & (in.osize == 2 ? 0xFFFFL : 0xFFFF_FFFFL));
      case SEGMENT -> reg(new Reg(Reg.Kind.SEG, in.reg & 7));
      case CONTROL -> reg(new Reg(Reg.Kind.CR, in.reg));
      case DEBUG -> reg(new Reg(Reg.Kind.DR, in.reg));
      case MMX -> reg(new Reg(Reg.Kind.MMX, in.reg & 7));
      case MMX_RM_REGISTER -> reg(new Reg(Reg.Kind.MMX, in.rm & 7));
      case MMX_RM -> in.mem ? memory(in, bytes, rip) : reg(new Reg(Reg.Kind.MMX, in.rm & 7));
      case VECTOR -> reg(vector(in, spec, in.reg));
      case VECTOR_RM_REGISTER -> reg(vector(in, spec, in.rm));
      case VECTOR_VVVV -> reg(vector(in, spec, in.vvvv));
      case VECTOR_RM -> in.mem ? memory(in, bytes, rip) : reg(vector(in, spec, in.rm));
      case MASK -> reg(new Reg(Reg.Kind.MASK, in.reg & 7));
      case MASK_VVVV -> reg(new Reg(Reg.Kind.MASK, in.vvvv & 7));
      case MASK_RM -> in.mem ? memory(in, bytes, rip) : reg(new Reg(Reg.Kind.MASK, in.rm & 7));
      case VECTOR_IMMEDIATE -> reg(vector(in, spec, in.immRegister()));
      default -> "?";
    };
  }

  private static Reg vector(Insn in, OperandSpec spec, int index) {
    return new Reg(file(spec.bytes(in)), index);
  }

  /** {@return the vector registers of a width} */
  static Reg.Kind file(int bytes) {
    return bytes == 64 ? Reg.Kind.ZMM : bytes == 32 ? Reg.Kind.YMM : Reg.Kind.XMM;
  }

  private String indirect(Insn in) {
    String m = in.mnemonic();
    return syntax == Syntax.ATT && (m.equals("call") || m.equals("jmp")) ? "*" : "";
  }

  /**
   * {@return where a relative branch goes, truncated as the operand size demands}
   *
   * @param rip address of the branch
   */
  public static long branchTarget(Insn in, long rip) {
    long t = rip + in.length + in.imm;
    return in.osize == 2 ? t & 0xFFFF : in.bits == 64 ? t : t & 0xFFFF_FFFFL;
  }

  private String immediate(Insn in, OperandSpec spec, int bytes) {
    int width = spec.signedByte() ? in.osize : bytes;
    if (spec.size() == OperandSize.OPERAND_AT_MOST_32 && in.osize == 8) {
      width = 8;
    }
    long v = in.imm;
    if (width < 8) {
      v &= (1L << 8 * width) - 1;
    }
    return imm(v);
  }

  private String imm(long v) {
    return (syntax == Syntax.ATT ? "$" : "") + hex(v);
  }

  private static String hex(long v) {
    return "0x" + Long.toHexString(v);
  }

  private static Reg index(Insn in) {
    if (in.index == Insn.NO_REG) {
      return Reg.NONE;
    }
    return switch (in.form().vsib) {
      case NONE -> Reg.gpr(in.asize, in.index, true);
      case XMM -> new Reg(Reg.Kind.XMM, in.index);
      case FULL -> new Reg(file(in.vlen), in.index);
      case HALF -> new Reg(file(in.vlen / 2), in.index);
    };
  }

  private String memory(Insn in, int bytes, long rip) {
    StringBuilder s = new StringBuilder();
    String segment = in.segOverride >= 0 ? reg(new Reg(Reg.Kind.SEG, in.segOverride)) + ":" : "";
    Reg base =
        in.base == Insn.NO_REG
            ? Reg.NONE
            : in.base == Insn.RIP ? new Reg(Reg.Kind.RIP, 0) : Reg.gpr(in.asize, in.base, true);
    Reg index = index(in);
    boolean bare = in.base == Insn.NO_REG && in.index == Insn.NO_REG;
    long d = in.disp;
    if (bare && in.asize < 8) {
      d &= in.asize == 2 ? 0xFFFFL : 0xFFFF_FFFFL;
    }
    if (syntax == Syntax.ATT) {
      s.append(indirect(in)).append(segment);
      if (d != 0 || bare) {
        s.append(d < 0 && !bare ? "-" : "").append(hex(d < 0 && !bare ? -d : d));
      }
      if (!bare) {
        s.append('(');
        if (base != Reg.NONE) {
          s.append(reg(base));
        }
        if (index != Reg.NONE) {
          s.append(',').append(reg(index));
          if (in.asize > 2) {
            s.append(',').append(1 << in.scale);
          }
        }
        s.append(')');
      }
    } else {
      if (in.form().operands.stream()
              .noneMatch(o -> o.kind() == OperandKind.MEMORY && o.size() == OperandSize.OPEN)
          && !in.mnemonic().equals("lea")) {
        if (in.broadcast) {
          s.append(SIZE_NAMES[in.form().broadcastBytes].replace("PTR", "BCST"));
        } else {
          s.append(bytes == 64 ? ZMMWORD : bytes == 32 ? YMMWORD : SIZE_NAMES[bytes]);
        }
      }
      if (bare) {
        s.append(segment.isEmpty() ? "ds:" : segment).append(hex(d));
      } else {
        s.append(segment).append('[');
        if (base != Reg.NONE) {
          s.append(base.name());
        }
        if (index != Reg.NONE) {
          s.append(base != Reg.NONE ? "+" : "").append(index.name());
          if (in.asize > 2) {
            s.append('*').append(1 << in.scale);
          }
        }
        if (d != 0 || in.base == Insn.RIP) {
          s.append(d < 0 ? "-" : "+").append(hex(d < 0 ? -d : d));
        }
        s.append(']');
      }
    }
    if (in.broadcast && syntax == Syntax.ATT) {
      s.append("{1to").append(in.vlen / in.form().broadcastBytes).append('}');
    }
    if (in.base == Insn.RIP) {
      s.append("        # ").append(hex(rip + in.length + in.disp));
    }
    return s.toString();
  }
}
