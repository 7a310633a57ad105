package dev.vesper.machine.cpu.jit;

import static dev.vesper.machine.cpu.jit.Emitter.ADDRESS;
import static dev.vesper.machine.cpu.jit.Emitter.COUNT;
import static dev.vesper.machine.cpu.jit.Emitter.FA;
import static dev.vesper.machine.cpu.jit.Emitter.FB;
import static dev.vesper.machine.cpu.jit.Emitter.FR;
import static dev.vesper.machine.cpu.jit.Emitter.FX;
import static dev.vesper.machine.cpu.jit.Emitter.RCX;
import static dev.vesper.machine.cpu.jit.Emitter.T1;
import static dev.vesper.machine.cpu.jit.Emitter.T2;

import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.OperandSpec;
import java.lang.classfile.CodeBuilder;
import java.lang.classfile.Label;
import java.lang.constant.ConstantDescs;
import java.lang.constant.MethodTypeDesc;

/** Emission of shifts and rotates by a constant or by CL. */
final class ShiftCode {
  private final Emitter e;
  private final CodeBuilder code;
  private final FlagCode flags;

  ShiftCode(Emitter e, FlagCode flags) {
    this.e = e;
    this.flags = flags;
    code = e.code;
  }

  /** {@return whether the instruction was emitted} */
  boolean emit(Insn in) {
    return switch (in.operation()) {
      case SHL -> shift(in, LazyFlags.SHL);
      case SHR -> shift(in, LazyFlags.SHR);
      case SAR -> shift(in, LazyFlags.SAR);
      case ROL -> rotate(in, true);
      case ROR -> rotate(in, false);
      default -> false;
    };
  }

  /** {@return the constant count, or -1 if it is in CL} */
  private static int constant(Insn in, int n) {
    OperandSpec count = in.form().operands.get(1);
    if (count.kind() == OperandKind.FIXED) {
      return -1;
    }
    return (int) (count.kind() == OperandKind.ONE ? 1 : in.imm) & (n == 8 ? 63 : 31);
  }

  private void countFromCl(int n) {
    e.get(RCX);
    code.l2i().bipush(n == 8 ? 63 : 31).iand().istore(COUNT);
  }

  private boolean shift(Insn in, int kind) {
    if (in.mem && !e.plainMemory()) {
      return false;
    }
    int n = in.form().operands.get(0).bytes(in);
    int register = e.numbered(in.rm, n);
    int count = constant(in, n);
    if (in.mem) {
      e.operand(n, true);
    }
    if (count == 0) {
      keep(in, register, n);
      return true;
    }
    if (in.mem) {
      e.load(ADDRESS, n);
    } else {
      e.getSigned(register, n);
    }
    if (kind != LazyFlags.SAR) {
      e.zeroExtend(n);
    }
    Label none = code.newLabel();
    if (count < 0) {
      code.lstore(T1);
      countFromCl(n);
      e.sync();
      code.iload(COUNT).ifeq(none);
      code.iload(COUNT).i2l().lstore(FB).lload(T1).dup2().lstore(FA).iload(COUNT);
    } else {
      code.dup2().lstore(FA).loadConstant((long) count).lstore(FB).loadConstant(count);
    }
    switch (kind) {
      case LazyFlags.SHL -> code.lshl();
      case LazyFlags.SHR -> code.lushr();
      default -> code.lshr();
    }
    e.narrow(n);
    code.lstore(FR);
    e.result(in.mem, register, n, FR);
    if (count > 0) {
      flags.set(kind, n);
      return true;
    }
    countOfZero(none, in, register, n, LazyFlags.kind(kind, n));
    return true;
  }

  /** A count of zero still clears the upper half of a 32-bit register. */
  private void keep(Insn in, int register, int n) {
    if (!in.mem && n == 4) {
      e.getUnsigned(register, 4);
      e.set(register);
    }
  }

  /** Joins the way of a count in CL that was zero, which leaves the flags as they were. */
  private void countOfZero(Label none, Insn in, int register, int n, int kind) {
    Label done = code.newLabel();
    boolean plain = e.flags.plain;
    code.loadConstant(kind).istore(Emitter.KIND).goto_(done);
    e.bind(none);
    keep(in, register, n);
    e.bind(done);
    e.flags.unknown();
    e.flags.plain = plain;
  }

  private boolean rotate(Insn in, boolean left) {
    int n = in.form().operands.get(0).bytes(in);
    if (n < 4 || in.mem && !e.plainMemory()) {
      return false;
    }
    int register = in.rm;
    int count = constant(in, n);
    if (in.mem) {
      e.operand(n, true);
    }
    if (count == 0) {
      keep(in, register, n);
      return true;
    }
    if (in.mem) {
      e.load(ADDRESS, n);
    } else {
      e.get(register);
    }
    code.lstore(T1);
    Label none = code.newLabel();
    if (count < 0) {
      countFromCl(n);
      e.sync();
      code.iload(COUNT).ifeq(none);
    }
    flags.ax();
    code.lstore(T2);
    code.lload(T1);
    if (n == 4) {
      code.l2i();
    }
    if (count < 0) {
      code.iload(COUNT);
    } else {
      code.loadConstant(count);
    }
    if (n == 4) {
      code.invokestatic(
          ConstantDescs.CD_Integer,
          left ? "rotateLeft" : "rotateRight",
          MethodTypeDesc.of(Emitter.INT, Emitter.INT, Emitter.INT));
      code.i2l();
    } else {
      code.invokestatic(
          ConstantDescs.CD_Long,
          left ? "rotateLeft" : "rotateRight",
          MethodTypeDesc.of(Emitter.LONG, Emitter.LONG, Emitter.INT));
    }
    code.lstore(T1);
    e.result(in.mem, register, n, T1);
    if (left) {
      // CF is the result's lowest bit, CF^OF its highest.
      code.lload(T1).bipush(63).lshl().lload(T1).loadConstant(64 - 8 * n).lshl();
      code.iconst_1().lushr().lor();
    } else {
      // CF is the highest bit of the result, CF^OF the one below it.
      code.lload(T1).loadConstant(64 - 8 * n).lshl();
    }
    code.lstore(FA).lload(T2).lstore(FX);
    if (count > 0) {
      flags.setRawKeepingResult();
      return true;
    }
    countOfZero(none, in, register, n, LazyFlags.RAW);
    return true;
  }
}
