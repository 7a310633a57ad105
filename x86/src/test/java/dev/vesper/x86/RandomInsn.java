package dev.vesper.x86;

import java.util.EnumSet;
import java.util.Random;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Random instructions of a given form. */
final class RandomInsn {
  private static final Set<OperandKind> MAYBE_MEMORY =
      EnumSet.of(
          OperandKind.RM,
          OperandKind.MEMORY,
          OperandKind.VECTOR_RM,
          OperandKind.MMX_RM,
          OperandKind.MASK_RM);

  private static final Set<OperandKind> EIGHT_IN_RM =
      EnumSet.of(OperandKind.MMX_RM, OperandKind.MMX_RM_REGISTER, OperandKind.MASK_RM);

  private static final Set<OperandKind> GENERAL =
      EnumSet.of(OperandKind.RM, OperandKind.REG, OperandKind.OPCODE_REGISTER);

  private RandomInsn() {}

  /** {@return fields that suit a form, or null if the form does not exist in this mode} */
  static @Nullable Insn of(Opcode op, int bits, Random r) {
    if (bits == 64 ? !op.validIn64() : !op.validOutside64()) {
      return null;
    }
    Insn in = new Insn();
    in.bits = bits;
    int[] sizes = bits == 64 ? new int[] {4, 8, 2} : new int[] {4, 2};
    in.osize = op.onlyOsize != 0 ? op.onlyOsize : sizes[r.nextInt(sizes.length)];
    if (in.osize == 8 && bits != 64) {
      return null;
    }
    if (bits == 64 && op.default64 && in.osize == 4) {
      in.osize = 8;
    }
    if (op.prefix == 1 && op.onlyOsize == 0) {
      // A mandatory 66 leaves the operand size of an unprefixed form, or REX.W.
      in.osize =
          bits == 64 ? (op.default64 ? 8 : r.nextBoolean() && op.onlyW != 0 ? 8 : 4) : bits / 8;
    }
    if (op.onlyW == 1) {
      if (bits != 64 && op.map < 8) {
        return null;
      }
      in.osize = 8;
    } else if (op.onlyW == 0 && bits == 64) {
      in.osize = 4;
    }
    in.asize = op.onlyAsize != 0 ? op.onlyAsize : bits == 64 ? 8 : bits / 8;
    if (op.hasVectorIndex() && in.asize == 2) {
      return null;
    }
    int regs = bits == 64 ? 16 : 8;
    in.reg = r.nextInt(op.isEvex() && op.regIsVector() && bits == 64 ? 32 : regs);
    if (op.map >= 8) {
      in.osize =
          bits == 64 && op.onlyW != 0 && (op.onlyW == 1 || r.nextBoolean())
              ? 8
              : bits == 64 ? 4 : bits / 8;
      in.vlen =
          op.vexL == 2
              ? op.vectorScalar() ? 16 : 16 << r.nextInt(op.isEvex() ? 3 : 2)
              : op.vexL == 3 ? 64 : 16 << op.vexL;
      in.vvvv = op.usesVvvv() ? r.nextInt(regs) : 0;
      if (op.operands.stream().anyMatch(o -> o.kind() == OperandKind.VECTOR_VVVV)
          && op.isEvex()
          && bits == 64) {
        in.vvvv = r.nextInt(32);
      }
    }
    for (OperandSpec s : op.operands) {
      switch (s.kind()) {
        case SEGMENT -> in.reg = r.nextInt(6);
        case CONTROL -> in.reg = new int[] {0, 2, 3, 4}[r.nextInt(4)];
        case DEBUG, MMX, MASK -> in.reg = r.nextInt(8);
        case MASK_VVVV -> in.vvvv = r.nextInt(8);
        default -> {
          // any register
        }
      }
    }
    in.rm = r.nextInt(op.plusI ? 8 : op.isEvex() && op.rmIsVector() && bits == 64 ? 32 : regs);
    boolean wantsMem = op.operands.stream().anyMatch(o -> MAYBE_MEMORY.contains(o.kind()));
    in.mem =
        op.hasModrm()
            && op.modrmKind != Opcode.FIXED
            && !op.regOnly
            && !op.modIgnored
            && (op.memOnly || wantsMem && r.nextBoolean());
    if (op.isEvex()) {
      evex(op, in, r);
    }
    if (in.mem) {
      if (in.asize == 2) {
        in.base = new int[] {3, 5, 6, 7}[r.nextInt(4)];
        if (in.base <= 5 && r.nextBoolean()) {
          in.index = 6 + r.nextInt(2);
        }
      } else {
        in.base = r.nextInt(regs);
        if (op.vsib != Opcode.Vsib.NONE || r.nextBoolean()) {
          in.index =
              r.nextInt(op.vsib != Opcode.Vsib.NONE && op.isEvex() && bits == 64 ? 32 : regs);
          in.index = in.index == 4 && op.vsib == Opcode.Vsib.NONE ? Insn.NO_REG : in.index;
          in.scale = in.index == Insn.NO_REG ? 0 : r.nextInt(4);
        }
      }
      in.disp =
          switch (r.nextInt(3)) {
            case 0 -> 0;
            case 1 -> (byte) r.nextInt();
            default -> in.asize == 2 ? (short) r.nextInt() : r.nextInt();
          };
    } else if (op.operands.stream().anyMatch(o -> EIGHT_IN_RM.contains(o.kind()))) {
      in.rm &= 7;
    }
    for (Immediate k : op.immediates()) {
      switch (k) {
        case BYTE, NEAR_BYTE -> {
          in.imm = (byte) r.nextInt();
          in.imm2 = r.nextInt(256);
        }
        case WORD -> in.imm = r.nextInt(0x10000);
        case OPERAND_AT_MOST_32, NEAR -> in.imm = in.osize == 2 ? (short) r.nextInt() : r.nextInt();
        case OPERAND ->
            in.imm =
                in.osize == 2 ? (short) r.nextInt() : in.osize == 4 ? r.nextInt() : r.nextLong();
        case OFFSET -> {
          in.mem = true;
          in.disp =
              in.asize == 8
                  ? r.nextLong()
                  : in.asize == 4 ? r.nextInt() & 0xFFFF_FFFFL : r.nextInt(0x10000);
        }
        case FAR_POINTER -> {
          in.imm = in.osize == 2 ? (short) r.nextInt() : r.nextInt();
          in.imm2 = r.nextInt(0x10000);
        }
      }
    }
    if (op.mnemonic.equals("enter")) {
      in.imm = r.nextInt(0x10000);
      in.imm2 = r.nextInt(32);
    }
    // SPL..DIL need an empty REX at least.
    boolean byteReg =
        op.operands.stream()
            .anyMatch(o -> o.size() == OperandSize.BYTE && GENERAL.contains(o.kind()));
    in.rex = bits == 64 && byteReg && r.nextBoolean() ? 0x40 : 0;
    return in;
  }

  /** Masks, broadcasts and roundings that the form allows. */
  private static void evex(Opcode op, Insn in, Random r) {
    in.mask = op.unmasked ? 0 : op.maskRequired ? 1 + r.nextInt(7) : r.nextInt(8);
    OperandKind first = op.operands.get(0).kind();
    boolean canZero =
        in.mask != 0
            && first != OperandKind.MASK
            && first != OperandKind.MEMORY
            && !(in.mem && first == OperandKind.VECTOR_RM);
    in.zeroing = canZero && op.vsib == Opcode.Vsib.NONE && r.nextBoolean();
    in.broadcast = in.mem && op.broadcasts() && r.nextBoolean();
    if (!in.mem && op.suppressible && (op.vectorScalar() || in.vlen == 64) && r.nextBoolean()) {
      in.suppress = true;
      in.rounding = op.roundsEmbedded() ? r.nextInt(4) : 0;
    }
  }
}
