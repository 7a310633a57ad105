package dev.vesper.machine.flow;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.trace.MemoryOperands;
import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.OperandSpec;
import dev.vesper.x86.Operation;
import java.util.Arrays;

/** Labels of string instructions, for as many elements as were done. */
final class StringFlow {
  private final FlowOperands o;
  private final Labels labels;
  private final char[] element = new char[8];

  StringFlow(FlowOperands operands) {
    o = operands;
    labels = o.labels;
  }

  /** {@return whether an instruction reads memory at rSI} */
  boolean hasSource(Insn in) {
    return uses(in, OperandKind.SOURCE);
  }

  private static boolean uses(Insn in, OperandKind kind) {
    for (OperandSpec s : in.form().operands) {
      if (s.kind() == kind) {
        return true;
      }
    }
    return false;
  }

  private static int bytes(Insn in) {
    for (OperandSpec s : in.form().operands) {
      if (s.kind() == OperandKind.SOURCE || s.kind() == OperandKind.DESTINATION) {
        return s.bytes(in);
      }
    }
    throw new AssertionError("not a string instruction");
  }

  /** Moves the labels of what was done since the instruction began. */
  void moved(Cpu c, Insn in) {
    int n = bytes(in);
    long done = in.rep || in.repne ? o.count - c.r[1] & in.addressMask() : 1;
    long step = (c.eflags & CpuState.DF) != 0 ? -n : n;
    // By now the pointers stand behind the last element.
    long from = MemoryOperands.sourceAddress(c, in) - done * step;
    long to = MemoryOperands.destinationAddress(c, in) - done * step;
    for (long i = 0; i < done; i++) {
      one(c, in, from + i * step & c.linearMask(), to + i * step & c.linearMask(), n);
    }
  }

  private void one(Cpu c, Insn in, long from, long to, int n) {
    char[] g = o.registers.general;
    switch (in.operation()) {
      case MOVS -> {
        o.memory.load(c, from, element, n);
        o.memory.store(c, to, element, n, o.rip);
      }
      case STOS -> {
        System.arraycopy(g, 0, element, 0, n);
        o.memory.store(c, to, element, n, o.rip);
      }
      case LODS -> {
        o.memory.load(c, from, element, n);
        System.arraycopy(element, 0, g, 0, n);
        if (n == 4) {
          Arrays.fill(g, 4, 8, Labels.PUBLIC);
        }
        labels.passes(o.joined(element, n), o.rip);
      }
      case SCAS, CMPS -> {
        o.memory.load(c, to, element, n);
        char label = o.joined(element, n);
        if (in.operation() == Operation.CMPS) {
          o.memory.load(c, from, element, n);
          label = labels.join(label, o.joined(element, n));
        } else {
          for (int i = 0; i < n; i++) {
            label = labels.join(label, g[i]);
          }
        }
        o.flags(label, true);
      }
      default -> {
        // INS and OUTS of a guest that is protected are the #VC handler's.
      }
    }
  }
}
