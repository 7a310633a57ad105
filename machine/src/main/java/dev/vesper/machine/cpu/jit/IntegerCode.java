package dev.vesper.machine.cpu.jit;

import static dev.vesper.machine.cpu.jit.Emitter.ADDRESS;
import static dev.vesper.machine.cpu.jit.Emitter.FA;
import static dev.vesper.machine.cpu.jit.Emitter.FB;
import static dev.vesper.machine.cpu.jit.Emitter.FR;
import static dev.vesper.machine.cpu.jit.Emitter.FX;
import static dev.vesper.machine.cpu.jit.Emitter.RAX;
import static dev.vesper.machine.cpu.jit.Emitter.RDX;
import static dev.vesper.machine.cpu.jit.Emitter.T1;
import static dev.vesper.machine.cpu.jit.Emitter.T2;

import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.OperandSpec;
import dev.vesper.x86.Operation;
import java.lang.classfile.CodeBuilder;
import java.lang.classfile.Label;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.lang.constant.MethodTypeDesc;
import java.util.EnumSet;
import java.util.Set;

/** Emission of moves, arithmetic, logic, multiplication and bit instructions. */
final class IntegerCode {
  private static final MethodTypeDesc TWO =
      MethodTypeDesc.of(Emitter.LONG, Emitter.LONG, Emitter.LONG);

  private static final ClassDesc MATH = ClassDesc.of("java.lang.Math");

  private final Emitter e;
  private final CodeBuilder code;
  private final FlagCode flags;

  IntegerCode(Emitter e, FlagCode flags) {
    this.e = e;
    this.flags = flags;
    code = e.code;
  }

  /** {@return whether the instruction was emitted} */
  boolean emit(Insn in) {
    Operation operation = in.operation();
    return switch (operation) {
      case ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST -> alu(in, operation);
      case MOV -> mov(in);
      case MOVZX -> movx(in, false);
      case MOVSX -> movx(in, true);
      case LEA -> {
        e.effectiveAddress();
        e.set(in.reg, in.osize);
        yield true;
      }
      case INC, DEC, NOT, NEG -> unary(in, operation);
      case IMUL -> imul(in);
      case MUL -> multiplyWide(in, false);
      case XCHG -> xchg(in);
      case XADD -> xadd(in);
      case CMPXCHG -> cmpxchg(in);
      case BSWAP -> bswap(in);
      case BT -> bitTest(in);
      case BSF -> bitScan(in, false);
      case BSR -> bitScan(in, true);
      case CWDE, CDQE, CDQ, CQO -> convert(operation);
      case CMOVCC -> conditionalMove(in, in.form().condition);
      case SETCC -> setByte(in, in.form().condition);
      case HINT -> true;
      default -> false;
    };
  }

  private boolean memoryIsPlain(Insn in) {
    return !in.mem || e.plainMemory();
  }

  // ---- moves

  /** Operands of MOV that are left to the interpreter. */
  private static final Set<OperandKind> NOT_TRANSLATED =
      EnumSet.of(OperandKind.CONTROL, OperandKind.DEBUG, OperandKind.SEGMENT, OperandKind.OFFSET);

  private boolean mov(Insn in) {
    OperandSpec a = in.form().operands.get(0);
    OperandSpec b = in.form().operands.get(1);
    for (OperandSpec s : in.form().operands) {
      if (NOT_TRANSLATED.contains(s.kind())) {
        return false;
      }
    }
    if (!memoryIsPlain(in)) {
      return false;
    }
    int n = a.kind() == OperandKind.FIXED ? Math.max(1, a.bytes(in)) : a.bytes(in);
    if (b.kind() == OperandKind.IMMEDIATE) {
      if (in.mem) {
        e.operand(n, true);
        code.loadConstant(in.imm).lstore(T1);
        e.store(ADDRESS, n, T1);
      } else {
        code.loadConstant(n == 4 ? in.imm & Emitter.LOW32 : in.imm);
        e.set(e.numbered(in.rm, n), n);
      }
      return true;
    }
    boolean toReg = a.kind() == OperandKind.REG;
    if (!in.mem) {
      int from = e.numbered(toReg ? in.rm : in.reg, n);
      if (n == 8) {
        e.get(from);
      } else {
        e.getUnsigned(from, n);
      }
      e.set(e.numbered(toReg ? in.reg : in.rm, n), n);
    } else if (toReg) {
      e.operand(n, false);
      e.load(ADDRESS, n);
      e.set(e.numbered(in.reg, n), n);
    } else {
      e.operand(n, true);
      storeRegister(e.numbered(in.reg, n), n);
    }
    return true;
  }

  private void storeRegister(int register, int n) {
    e.getSigned(register, n);
    code.lstore(T1);
    e.store(ADDRESS, n, T1);
  }

  private boolean movx(Insn in, boolean signed) {
    if (!memoryIsPlain(in)) {
      return false;
    }
    int from = Math.min(in.form().operands.get(1).bytes(in), in.osize);
    if (in.mem) {
      e.operand(from, false);
      e.load(ADDRESS, from);
      if (!signed) {
        e.zeroExtend(from);
      }
    } else if (signed) {
      e.getSigned(e.numbered(in.rm, from), from);
    } else {
      e.getUnsigned(e.numbered(in.rm, from), from);
    }
    e.set(in.reg, in.osize);
    return true;
  }

  private boolean conditionalMove(Insn in, int cc) {
    if (!memoryIsPlain(in)) {
      return false;
    }
    int n = in.osize;
    if (in.mem) {
      e.operand(n, false);
      e.load(ADDRESS, n);
    } else {
      e.getSigned(in.rm, n);
    }
    code.lstore(T1);
    Label holds = code.newLabel();
    flags.jumpIf(cc, holds);
    e.getSigned(in.reg, n);
    code.lstore(T1);
    e.bind(holds);
    code.lload(T1);
    e.set(in.reg, n);
    return true;
  }

  private boolean setByte(Insn in, int cc) {
    if (!memoryIsPlain(in)) {
      return false;
    }
    if (in.mem) {
      e.operand(1, true);
    }
    Label holds = code.newLabel();
    code.lconst_1().lstore(T1);
    flags.jumpIf(cc, holds);
    code.lconst_0().lstore(T1);
    e.bind(holds);
    if (in.mem) {
      e.store(ADDRESS, 1, T1);
    } else {
      code.lload(T1);
      e.set(e.numbered(in.rm, 1), 1);
    }
    return true;
  }

  // ---- arithmetic and logic

  private boolean alu(Insn in, Operation op) {
    if (!memoryIsPlain(in)) {
      return false;
    }
    OperandSpec a = in.form().operands.get(0);
    OperandSpec b = in.form().operands.get(1);
    int n = Math.max(1, a.bytes(in));
    boolean immediate = b.kind() == OperandKind.IMMEDIATE;
    boolean toReg = a.kind() == OperandKind.REG;
    boolean memoryFirst = in.mem && a.kind() == OperandKind.RM;
    boolean reads = op == Operation.CMP || op == Operation.TEST;
    int first = a.kind() == OperandKind.FIXED ? 0 : e.numbered(toReg ? in.reg : in.rm, n);
    int second = e.numbered(toReg ? in.rm : in.reg, n);
    if (in.mem) {
      e.operand(n, memoryFirst && !reads);
    }
    if ((op == Operation.XOR || op == Operation.SUB)
        && !in.mem
        && !immediate
        && first == second
        && n >= 4) {
      zero(first, op);
      return true;
    }
    boolean logic =
        op == Operation.AND || op == Operation.OR || op == Operation.XOR || op == Operation.TEST;
    if (op == Operation.ADC || op == Operation.SBB) {
      flags.carry();
      code.lstore(T2);
    }
    if (memoryFirst) {
      e.load(ADDRESS, n);
    } else {
      e.getSigned(first, n);
    }
    if (!logic) {
      code.dup2().lstore(T1);
    }
    if (immediate) {
      code.loadConstant(signed(in.imm, n));
    } else if (in.mem && !memoryFirst) {
      e.load(ADDRESS, n);
    } else {
      e.getSigned(second, n);
    }
    if (!logic) {
      code.dup2().lstore(FB);
    }
    switch (op) {
      case ADD -> code.ladd();
      case ADC -> code.ladd().lload(T2).ladd();
      case SUB, CMP -> code.lsub();
      case SBB -> code.lsub().lload(T2).lsub();
      case OR -> code.lor();
      case XOR -> code.lxor();
      default -> code.land();
    }
    if (!logic) {
      e.narrow(n);
      code.lload(T1).lstore(FA);
    }
    if (op == Operation.ADC || op == Operation.SBB) {
      code.dup2().lstore(FX);
    }
    code.lstore(FR);
    if (!reads) {
      e.result(memoryFirst, first, n, FR);
    }
    switch (op) {
      case ADD -> flags.set(LazyFlags.ADD, n);
      case SUB, CMP -> flags.set(LazyFlags.SUB, n);
      case ADC -> flags.set(LazyFlags.ADC, n);
      case SBB -> flags.set(LazyFlags.SBB, n);
      default -> flags.set(LazyFlags.LOGIC, n);
    }
    return true;
  }

  private static long signed(long v, int bytes) {
    int s = 64 - 8 * bytes;
    return v << s >> s;
  }

  private void zero(int register, Operation op) {
    code.lconst_0().dup2().lstore(FR);
    e.set(register);
    if (op == Operation.SUB) {
      code.lconst_0().lstore(FA).lconst_0().lstore(FB);
      flags.set(LazyFlags.SUB, 8);
    } else {
      flags.set(LazyFlags.LOGIC, 8);
    }
  }

  private boolean unary(Insn in, Operation op) {
    if (!memoryIsPlain(in)) {
      return false;
    }
    int n = in.form().operands.get(0).bytes(in);
    int register = e.numbered(in.rm, n);
    if (in.mem) {
      e.operand(n, true);
      e.load(ADDRESS, n);
    } else {
      e.getSigned(register, n);
    }
    if (op == Operation.NOT) {
      code.loadConstant(-1L).lxor();
      if (in.mem) {
        code.lstore(T1);
        e.store(ADDRESS, n, T1);
      } else {
        e.set(register, n);
      }
      return true;
    }
    if (op == Operation.NEG) {
      code.dup2().lstore(FB).lneg().lconst_0().lstore(FA);
    } else {
      code.loadConstant(op == Operation.INC ? 1L : -1L).ladd();
    }
    e.narrow(n);
    code.lstore(FR);
    e.result(in.mem, register, n, FR);
    switch (op) {
      case INC -> flags.setLater(LazyFlags.INC, n);
      case DEC -> flags.setLater(LazyFlags.DEC, n);
      default -> flags.set(LazyFlags.SUB, n);
    }
    return true;
  }

  // ---- multiplication

  private void multiplyHigh(String which) {
    code.invokestatic(MATH, which, TWO);
  }

  private boolean imul(Insn in) {
    int operands = in.form().operands.size();
    int n = in.form().operands.get(0).bytes(in);
    if (operands == 1) {
      return multiplyWide(in, true);
    }
    if (n == 2 || !memoryIsPlain(in)) {
      return false;
    }
    if (in.mem) {
      e.operand(n, false);
    }
    flags.ax();
    code.lstore(FX);
    if (in.mem) {
      e.load(ADDRESS, n);
    } else {
      e.getSigned(in.rm, n);
    }
    code.lstore(T1);
    if (operands == 3) {
      code.loadConstant(in.imm);
    } else {
      e.getSigned(in.reg, n);
    }
    code.lstore(T2);
    product(n);
    code.lload(T1);
    e.set(in.reg, n);
    e.flags.set(LazyFlags.kind(LazyFlags.MUL, n), e.flags.plain);
    return true;
  }

  /** Multiplies T1 by T2, signed, into T1; FA is zero if the product fits. */
  private void product(int n) {
    if (n == 8) {
      code.lload(T1).lload(T2);
      multiplyHigh("multiplyHigh");
      code.lload(T1).lload(T2).lmul().dup2().lstore(T1).bipush(63).lshr().lxor().lstore(FA);
    } else {
      code.lload(T1).lload(T2).lmul().dup2().dup2().lstore(T1);
      e.narrow(n);
      code.lxor().lstore(FA);
    }
  }

  /** MUL and IMUL with one operand. */
  private boolean multiplyWide(Insn in, boolean isSigned) {
    int n = in.form().operands.get(0).bytes(in);
    if (n < 4 || !memoryIsPlain(in)) {
      return false;
    }
    if (in.mem) {
      e.operand(n, false);
    }
    flags.ax();
    code.lstore(FX);
    if (in.mem) {
      e.load(ADDRESS, n);
      if (!isSigned) {
        e.zeroExtend(n);
      }
    } else if (isSigned) {
      e.getSigned(in.rm, n);
    } else {
      e.getUnsigned(in.rm, n);
    }
    code.lstore(T1);
    if (isSigned) {
      e.getSigned(RAX, n);
    } else {
      e.getUnsigned(RAX, n);
    }
    code.lstore(T2);
    if (n == 8) {
      code.lload(T1).lload(T2);
      multiplyHigh(isSigned ? "multiplyHigh" : "unsignedMultiplyHigh");
      code.dup2();
      e.set(RDX);
      code.lload(T1).lload(T2).lmul();
      if (isSigned) {
        code.dup2();
        e.set(RAX);
        code.bipush(63).lshr().lxor();
      } else {
        e.set(RAX);
      }
      code.lstore(FA);
    } else {
      code.lload(T1).lload(T2).lmul().dup2().lstore(T1);
      if (isSigned) {
        code.dup2();
        e.narrow(n);
        code.lxor();
      } else {
        code.bipush(32).lushr();
      }
      code.lstore(FA);
      code.lload(T1);
      e.set(RAX, 4);
      code.lload(T1).bipush(32).lushr();
      e.set(RDX);
    }
    e.flags.set(LazyFlags.kind(LazyFlags.MUL, n), e.flags.plain);
    return true;
  }

  // ---- exchanges

  private boolean xchg(Insn in) {
    if (in.modrm < 0) {
      return exchange(in.rm, RAX, in.osize);
    }
    int n = in.form().operands.get(0).bytes(in);
    if (!in.mem) {
      return exchange(e.numbered(in.rm, n), e.numbered(in.reg, n), n);
    }
    if (!e.plainMemory()) {
      return false;
    }
    e.operand(n, true);
    e.load(ADDRESS, n);
    code.lstore(T2);
    int register = e.numbered(in.reg, n);
    storeRegister(register, n);
    code.lload(T2);
    e.set(register, n);
    return true;
  }

  private boolean exchange(int a, int b, int n) {
    e.getSigned(a, n);
    code.lstore(T1);
    e.getSigned(b, n);
    e.set(a, n);
    code.lload(T1);
    e.set(b, n);
    return true;
  }

  private boolean xadd(Insn in) {
    if (!in.mem || !e.plainMemory()) {
      return false;
    }
    int n = in.form().operands.get(0).bytes(in);
    int register = e.numbered(in.reg, n);
    e.operand(n, true);
    e.load(ADDRESS, n);
    code.dup2().lstore(FA);
    e.getSigned(register, n);
    code.dup2().lstore(FB).ladd();
    e.narrow(n);
    code.lstore(FR);
    e.store(ADDRESS, n, FR);
    code.lload(FA);
    e.set(register, n);
    flags.set(LazyFlags.ADD, n);
    return true;
  }

  private boolean cmpxchg(Insn in) {
    if (!in.mem || !e.plainMemory()) {
      return false;
    }
    int n = in.form().operands.get(0).bytes(in);
    e.operand(n, true);
    e.load(ADDRESS, n);
    code.lstore(FB);
    e.getSigned(RAX, n);
    code.dup2().lstore(FA).lload(FB).lsub();
    e.narrow(n);
    code.dup2().lstore(FR);
    Label differ = code.newLabel();
    Label done = code.newLabel();
    code.lconst_0().lcmp().ifne(differ);
    storeRegister(e.numbered(in.reg, n), n);
    code.goto_(done);
    e.bind(differ);
    // The old value is written back, which nobody can see here.
    code.lload(FB);
    e.set(RAX, n);
    e.bind(done);
    flags.set(LazyFlags.SUB, n);
    return true;
  }

  // ---- bits

  private boolean bswap(Insn in) {
    if (in.osize == 2) {
      return false;
    }
    e.get(in.rm);
    if (in.osize == 8) {
      code.invokestatic(
          ConstantDescs.CD_Long, "reverseBytes", MethodTypeDesc.of(Emitter.LONG, Emitter.LONG));
    } else {
      code.l2i();
      code.invokestatic(
          ConstantDescs.CD_Integer, "reverseBytes", MethodTypeDesc.of(Emitter.INT, Emitter.INT));
      code.i2l();
    }
    e.set(in.rm, in.osize);
    return true;
  }

  private boolean bitTest(Insn in) {
    boolean immediate = in.form().operands.get(1).kind() == OperandKind.IMMEDIATE;
    if (in.mem && (!immediate || !e.plainMemory())) {
      return false;
    }
    int n = in.osize;
    if (in.mem) {
      e.operand(n, false);
    }
    flags.ax();
    code.lstore(T2);
    flags.cv();
    if (in.mem) {
      e.load(ADDRESS, n);
    } else {
      e.get(in.rm);
    }
    if (immediate) {
      code.loadConstant((int) in.imm & 8 * n - 1);
    } else {
      e.get(in.reg);
      code.l2i().loadConstant(8 * n - 1).iand();
    }
    code.lushr().l2i().iconst_1().iand();
    code.invokestatic(
        Emitter.FLAGS, "withCarry", MethodTypeDesc.of(Emitter.LONG, Emitter.LONG, Emitter.BOOLEAN));
    code.lstore(FA).lload(T2).lstore(FX);
    flags.setRawKeepingResult();
    return true;
  }

  private boolean bitScan(Insn in, boolean reverse) {
    if (!memoryIsPlain(in)) {
      return false;
    }
    int n = in.osize;
    if (in.mem) {
      e.operand(n, false);
      e.load(ADDRESS, n);
      e.zeroExtend(n);
    } else {
      e.getUnsigned(in.rm, n);
    }
    code.lstore(T1);
    flags.cv();
    code.lload(Emitter.FR);
    flags.ax();
    Label zero = code.newLabel();
    Label done = code.newLabel();
    code.lload(T1).lconst_0().lcmp();
    code.invokestatic(
        Emitter.FLAGS,
        "axWithZero",
        MethodTypeDesc.of(Emitter.LONG, Emitter.LONG, Emitter.LONG, Emitter.INT));
    code.lstore(FX).lstore(FA);
    code.lload(T1).lconst_0().lcmp().ifeq(zero);
    code.lload(T1);
    code.invokestatic(
        ConstantDescs.CD_Long,
        reverse ? "numberOfLeadingZeros" : "numberOfTrailingZeros",
        MethodTypeDesc.of(Emitter.INT, Emitter.LONG));
    if (reverse) {
      code.bipush(63).ixor();
    }
    code.i2l();
    e.set(in.reg, n);
    code.lconst_1().lstore(FR).goto_(done);
    e.bind(zero);
    code.lconst_0().lstore(FR);
    e.bind(done);
    e.flags.set(LazyFlags.RAW, false);
    return true;
  }

  private boolean convert(Operation op) {
    switch (op) {
      case CWDE -> {
        e.getSigned(RAX, 2);
        e.set(RAX, 4);
      }
      case CDQE -> {
        e.getSigned(RAX, 4);
        e.set(RAX);
      }
      case CDQ -> {
        e.getSigned(RAX, 4);
        code.bipush(63).lshr();
        e.set(RDX, 4);
      }
      default -> {
        e.get(RAX);
        code.bipush(63).lshr();
        e.set(RDX);
      }
    }
    return true;
  }
}
