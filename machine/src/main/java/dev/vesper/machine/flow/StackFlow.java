package dev.vesper.machine.flow;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.observe.flow.FlowKind;
import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.OperandSpec;
import java.util.Arrays;

/** Labels of what goes over the stack, and of targets that are jumped to. */
final class StackFlow {
  private static final int RSP = 4;
  private static final int RBP = 5;

  private final FlowOperands o;
  private final Labels labels;
  private final ShadowRegisters registers;
  private final char[] a = new char[FlowOperands.WIDEST];

  StackFlow(FlowOperands operands) {
    o = operands;
    labels = o.labels;
    registers = o.registers;
  }

  /** Moves the labels of an instruction that has been executed. */
  void moved(Cpu c, Insn in, FlowClass flow) {
    long before = Propagation.stackAddress(c, o.stack);
    switch (flow) {
      case PUSH -> push(c, in);
      case POP -> pop(c, in, before);
      case PUSH_FLAGS -> {
        Arrays.fill(a, 0, in.osize, registers.flags);
        store(c, in.osize);
      }
      case POP_FLAGS -> {
        o.memory.load(c, before, a, in.osize);
        o.flags(o.joined(a, in.osize), false);
      }
      case PUSH_ALL -> {
        for (int i = 0; i < 8; i++) {
          System.arraycopy(registers.general, (7 - i) * 8, a, 0, in.osize);
          long at = Propagation.stackAddress(c, c.r[RSP] + (long) i * in.osize);
          o.memory.store(c, at, a, in.osize, o.rip);
        }
      }
      case POP_ALL -> {
        for (int i = 0; i < 8; i++) {
          if (7 - i != RSP) {
            o.memory.load(c, before + (long) i * in.osize, a, in.osize);
            register(7 - i, in.osize);
          }
        }
      }
      case ENTER -> {
        System.arraycopy(registers.general, RBP * 8, a, 0, in.osize);
        long at = Propagation.stackAddress(c, o.stack - in.osize);
        o.memory.store(c, at, a, in.osize, o.rip);
        System.arraycopy(registers.general, RSP * 8, registers.general, RBP * 8, 8);
      }
      case LEAVE -> {
        long at = Propagation.stackAddress(c, c.r[RSP] - in.osize);
        System.arraycopy(registers.general, RBP * 8, registers.general, RSP * 8, 8);
        o.memory.load(c, at, a, in.osize);
        register(RBP, in.osize);
      }
      case JUMP -> target(c, in);
      case CALL -> {
        target(c, in);
        Arrays.fill(a, 0, 16, Labels.PUBLIC);
        store(c, (int) Math.min(16, o.stack - c.r[RSP] & 0xFF));
      }
      case RETURN -> {
        int n = in.bits == 64 ? 8 : in.osize;
        o.memory.load(c, before, a, n);
        o.owner.decided(c, o.joined(a, n), FlowKind.JUMP, "return address");
      }
      case INTERRUPT_RETURN -> interruptReturn(c, in, before);
      default -> throw new AssertionError(flow);
    }
  }

  private void store(Cpu c, int n) {
    o.memory.store(c, Propagation.stackAddress(c, c.r[RSP]), a, n, o.rip);
  }

  private void register(int number, int n) {
    System.arraycopy(a, 0, registers.general, number * 8, n);
    if (n == 4) {
      Arrays.fill(registers.general, number * 8 + 4, number * 8 + 8, Labels.PUBLIC);
    }
    labels.passes(o.joined(a, n), o.rip);
  }

  private void push(Cpu c, Insn in) {
    OperandSpec s = in.form().operands.get(0);
    int n = (int) (o.stack - c.r[RSP]) & 15;
    Arrays.fill(a, 0, 8, Labels.PUBLIC);
    if (s.kind() != OperandKind.IMMEDIATE && s.kind() != OperandKind.FIXED) {
      o.read(c, in, s, a);
    }
    store(c, n);
  }

  private void pop(Cpu c, Insn in, long from) {
    OperandSpec s = in.form().operands.get(0);
    if (s.kind() == OperandKind.FIXED) {
      // a segment register
      return;
    }
    int n = o.width(s, in);
    o.memory.load(c, from, a, n);
    if (in.mem && in.base == RSP) {
      // POP counts the address of its operand behind the pop.
      o.address = Propagation.address(c, in);
    }
    o.write(c, in, s, a, n);
  }

  private void target(Cpu c, Insn in) {
    OperandSpec s = in.form().operands.get(0);
    if (s.kind() == OperandKind.RM) {
      int n = o.read(c, in, s, a);
      o.owner.decided(c, o.joined(a, n), FlowKind.JUMP, "target");
    }
  }

  private void interruptReturn(Cpu c, Insn in, long frame) {
    int n = in.osize;
    o.memory.load(c, frame, a, n);
    o.owner.decided(c, o.joined(a, n), FlowKind.JUMP, "return address");
    o.memory.load(c, frame + 2L * n, a, n);
    o.flags(o.joined(a, n), false);
    if (in.bits == 64) {
      o.memory.load(c, frame + 3L * n, a, n);
      register(RSP, n);
    }
  }
}
