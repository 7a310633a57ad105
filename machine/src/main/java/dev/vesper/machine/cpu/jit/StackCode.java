package dev.vesper.machine.cpu.jit;

import static dev.vesper.machine.cpu.jit.Emitter.ADDRESS;
import static dev.vesper.machine.cpu.jit.Emitter.RBP;
import static dev.vesper.machine.cpu.jit.Emitter.RSP;
import static dev.vesper.machine.cpu.jit.Emitter.T1;

import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandKind;
import java.lang.classfile.CodeBuilder;

/** Emission of PUSH, POP and LEAVE where the stack needs no look at SS. */
final class StackCode {
  private final Emitter e;
  private final CodeBuilder code;

  StackCode(Emitter e) {
    this.e = e;
    code = e.code;
  }

  /** {@return whether the instruction was emitted} */
  boolean emit(Insn in) {
    return switch (in.operation()) {
      case PUSH -> push(in);
      case POP -> pop(in);
      case LEAVE -> leave();
      default -> false;
    };
  }

  private boolean push(Insn in) {
    OperandKind kind = in.form().operands.get(0).kind();
    if (kind == OperandKind.FIXED
        || kind == OperandKind.SEGMENT
        || in.mem && !e.plainMemory()
        || !e.plainStack()) {
      return false;
    }
    int n = e.width;
    if (kind == OperandKind.IMMEDIATE) {
      code.loadConstant(in.imm);
    } else if (in.mem) {
      e.operand(n, false);
      e.load(ADDRESS, n);
    } else {
      e.get(in.rm);
    }
    code.lstore(T1);
    e.slotBelow();
    e.store(ADDRESS, n, T1);
    e.moveStack(0);
    return true;
  }

  private boolean pop(Insn in) {
    OperandKind kind = in.form().operands.get(0).kind();
    if (kind == OperandKind.FIXED || kind == OperandKind.SEGMENT || in.mem || !e.plainStack()) {
      return false;
    }
    e.slotAtTop();
    e.moveStack(e.width);
    e.load(ADDRESS, e.width);
    e.set(in.rm, e.width);
    return true;
  }

  private boolean leave() {
    if (!e.plainStack()) {
      return false;
    }
    e.get(RBP);
    e.stackPointer();
    code.lstore(ADDRESS);
    e.probe(ADDRESS, e.width, false);
    e.moveStack(e.width);
    e.load(ADDRESS, e.width);
    e.set(RBP, e.width);
    return true;
  }

  /** Pushes the address of the next instruction. */
  void pushReturn() {
    e.slotBelow();
    e.nextRip();
    code.lstore(T1);
    e.store(ADDRESS, e.width, T1);
    e.moveStack(0);
  }

  /** Gets the return address into {@link Emitter#T1}, which is checked as a target. */
  void peekReturn() {
    e.slotAtTop();
    e.load(ADDRESS, e.width);
    e.zeroExtend(e.width);
    code.lstore(T1);
    e.checkTarget(T1);
  }

  /** Takes the return address and some bytes of arguments off the stack. */
  void dropReturn(long bytes) {
    e.get(RSP);
    code.loadConstant(e.width + bytes).ladd();
    e.stackPointer();
    e.set(RSP);
  }
}
