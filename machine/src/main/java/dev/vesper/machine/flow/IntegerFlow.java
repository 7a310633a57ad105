package dev.vesper.machine.flow;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.observe.flow.FlowKind;
import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.OperandSpec;
import dev.vesper.x86.Operation;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** Labels of general-purpose instructions. */
final class IntegerFlow {
  private static final int RAX = 0;
  private static final int RCX = 1;
  private static final int RDX = 2;
  private static final int RBX = 3;

  private final FlowOperands o;
  private final Labels labels;
  private final ShadowRegisters registers;
  private final char[] a = new char[FlowOperands.WIDEST];
  private final char[] b = new char[FlowOperands.WIDEST];

  IntegerFlow(FlowOperands operands) {
    o = operands;
    labels = o.labels;
    registers = o.registers;
  }

  private static OperandSpec operand(Insn in, int i) {
    return in.form().operands.get(i);
  }

  /** Moves the labels of an instruction that has been executed. */
  void moved(Cpu c, Insn in, FlowClass flow) {
    switch (flow) {
      case MOVE, MOVE_SIGNED -> move(c, in, flow == FlowClass.MOVE_SIGNED);
      case REVERSE -> reverse(c, in);
      case ADDRESS -> address(c, in);
      case SUM -> sum(c, in);
      case BITWISE -> bitwise(c, in);
      case UNARY -> unary(c, in);
      case SHIFT -> shift(c, in);
      case COMPARE -> compare(c, in);
      case MULTIPLY -> multiply(c, in);
      case SIGN_SPREAD -> spread(in);
      case EXCHANGE -> exchange(c, in);
      case EXCHANGE_ADD -> exchangeAdd(c, in);
      case COMPARE_EXCHANGE -> compareExchange(c, in);
      case COMPARE_EXCHANGE_WIDE -> compareExchangeWide(c, in);
      case CONDITIONAL_MOVE -> conditionalMove(c, in);
      case FLAGS_TO_BYTE -> write(c, in, 0, registers.flags, 1);
      case BRANCH -> {}
      case COUNT_BRANCH -> {
        if (in.operation() != Operation.JCXZ) {
          o.setRegister(RCX, in.asize, o.register(RCX));
        }
      }
      case TABLE_BYTE -> table(c, in);
      case LOAD_FLAGS -> o.flags(registers.general[1], false);
      case STORE_FLAGS -> registers.general[in.mnemonic().equals("salc") ? 0 : 1] = registers.flags;
      case CONSTANT_FLAGS -> o.flags(Labels.PUBLIC, false);
      case CONSTANT_REGISTERS -> constants(in);
      case CONSTANT -> write(c, in, 0, Labels.PUBLIC, o.width(operand(in, 0), in));
      case RANDOM -> random(c, in);
      default -> throw new AssertionError(flow);
    }
  }

  private void write(Cpu c, Insn in, int operand, char label, int n) {
    Arrays.fill(a, 0, n, label);
    o.write(c, in, operand(in, operand), a, n);
  }

  private void move(Cpu c, Insn in, boolean signed) {
    OperandSpec to = operand(in, 0);
    int n = o.width(to, in);
    int from = Math.min(o.read(c, in, operand(in, 1), a), n);
    if (operand(in, 1).kind() == OperandKind.IMMEDIATE) {
      from = 0;
    }
    if (from < n) {
      Arrays.fill(a, from, n, signed && from > 0 ? a[from - 1] : Labels.PUBLIC);
    }
    o.write(c, in, to, a, n);
  }

  private void reverse(Cpu c, Insn in) {
    int last = in.form().operands.size() - 1;
    int n = o.read(c, in, operand(in, last), a);
    for (int i = 0; i < n; i++) {
      b[i] = a[n - 1 - i];
    }
    o.write(c, in, operand(in, 0), b, n);
  }

  private void address(Cpu c, Insn in) {
    char label = Labels.PUBLIC;
    if (in.base >= 0 && in.base < 16) {
      label = o.register(in.base);
    }
    if (in.index >= 0) {
      label = labels.join(label, o.register(in.index));
    }
    write(c, in, 0, label, in.osize);
  }

  private static boolean same(Insn in) {
    List<OperandSpec> s = in.form().operands;
    return !in.mem
        && in.reg == in.rm
        && s.get(1).kind() != OperandKind.IMMEDIATE
        && s.get(0).kind() != OperandKind.FIXED;
  }

  private void sum(Cpu c, Insn in) {
    OperandSpec to = operand(in, 0);
    int n = o.read(c, in, to, a);
    o.read(c, in, operand(in, 1), b);
    boolean carries = in.operation() == Operation.ADC || in.operation() == Operation.SBB;
    char carry = carries ? registers.flags : Labels.PUBLIC;
    if (same(in) && (in.operation() == Operation.SUB || in.operation() == Operation.SBB)) {
      o.flags(carry, false);
      write(c, in, 0, carry, n);
      return;
    }
    boolean constant = operand(in, 1).kind() == OperandKind.IMMEDIATE;
    char label = labels.join(carry, o.joined(a, n));
    label = constant ? label : labels.join(label, o.joined(b, n));
    o.flags(label, false);
    // A difference is a comparison if somebody looks at it; a sum is none.
    registers.compared = in.operation() == Operation.SUB;
    write(c, in, 0, label, n);
  }

  private void bitwise(Cpu c, Insn in) {
    OperandSpec to = operand(in, 0);
    int n = o.read(c, in, to, a);
    boolean constant = operand(in, 1).kind() == OperandKind.IMMEDIATE;
    Operation op = in.operation();
    if (same(in)) {
      if (op == Operation.XOR) {
        o.flags(Labels.PUBLIC, false);
        write(c, in, 0, Labels.PUBLIC, n);
      } else {
        o.flags(o.joined(a, n), true);
      }
      return;
    }
    if (constant) {
      for (int i = 0; i < n; i++) {
        int bits = (int) (in.imm >> 8 * Math.min(i, 7)) & 0xFF;
        if (op == Operation.AND && bits == 0 || op == Operation.OR && bits == 0xFF) {
          a[i] = Labels.PUBLIC;
        }
      }
    } else {
      o.read(c, in, operand(in, 1), b);
      for (int i = 0; i < n; i++) {
        a[i] = a[i] == b[i] ? a[i] : labels.join(a[i], b[i]);
      }
      if (op == Operation.AND && n > 1) {
        select(c, in, n);
      }
    }
    o.flags(o.joined(a, n), op == Operation.AND);
    o.write(c, in, to, a, n);
  }

  /**
   * AND with a mask: a byte that it takes away tells nothing, one that it leaves is as it was. What
   * the mask was made of is no part of it, as the condition of a branch is none of what is behind.
   */
  private void select(Cpu c, Insn in, int n) {
    boolean toReg = operand(in, 0).kind() == OperandKind.REG;
    long mask = toReg && in.mem ? o.memory.value(c, o.address, n) : toReg ? o.rmValue : o.regValue;
    long other = toReg ? o.regValue : in.mem ? -1L >>> 1 : o.rmValue;
    o.read(c, in, operand(in, toReg ? 1 : 0), b);
    char[] of = registers.general;
    for (int i = 0; i < n; i++) {
      int m = (int) (mask >> 8 * i) & 0xFF;
      int v = (int) (other >> 8 * i) & 0xFF;
      if (m == 0 || v == 0 && !in.mem) {
        a[i] = Labels.PUBLIC;
      } else if (m == 0xFF) {
        a[i] = toReg ? of[in.reg * 8 + i] : b[i];
      } else if (v == 0xFF && !in.mem) {
        a[i] = toReg ? b[i] : of[in.reg * 8 + i];
      }
    }
  }

  private void unary(Cpu c, Insn in) {
    OperandSpec to = operand(in, 0);
    int n = o.read(c, in, to, a);
    if (in.operation() != Operation.NOT) {
      char label = o.joined(a, n);
      o.flags(label, false);
      Arrays.fill(a, 0, n, label);
    }
    o.write(c, in, to, a, n);
  }

  private void shift(Cpu c, Insn in) {
    OperandSpec to = operand(in, 0);
    int n = o.read(c, in, to, a);
    OperandSpec by = operand(in, 1);
    Operation op = in.operation();
    int bits =
        by.kind() == OperandKind.FIXED
            ? (int) o.count & 0xFF
            : by.kind() == OperandKind.ONE ? 1 : (int) in.imm & 0xFF;
    bits &= n == 8 ? 63 : 31;
    char count = by.kind() == OperandKind.FIXED ? registers.general[RCX * 8] : Labels.PUBLIC;
    char all = labels.join(o.joined(a, n), count);
    if (bits == 0) {
      // Neither flags nor value change, whatever the count was made of.
      o.write(c, in, to, a, n);
      return;
    }
    boolean carried = op == Operation.RCL || op == Operation.RCR;
    if (count != Labels.PUBLIC || carried) {
      Arrays.fill(a, 0, n, carried ? labels.join(all, registers.flags) : all);
    } else {
      boolean left = op == Operation.SHL || op == Operation.ROL;
      boolean round = op == Operation.ROL || op == Operation.ROR;
      char sign = op == Operation.SAR ? a[n - 1] : Labels.PUBLIC;
      for (int i = 0; i < n; i++) {
        int low = left ? i - (bits >> 3) - ((bits & 7) != 0 ? 1 : 0) : i + (bits >> 3);
        int high = left ? i - (bits >> 3) : low + ((bits & 7) != 0 ? 1 : 0);
        b[i] = labels.join(at(low, n, round, sign), at(high, n, round, sign));
      }
      System.arraycopy(b, 0, a, 0, n);
    }
    o.flags(all, false);
    o.write(c, in, to, a, n);
  }

  private char at(int i, int n, boolean round, char beyond) {
    if (i >= 0 && i < n) {
      return a[i];
    }
    return round ? a[Math.floorMod(i, n)] : i < 0 ? Labels.PUBLIC : beyond;
  }

  private void compare(Cpu c, Insn in) {
    int n = o.read(c, in, operand(in, 0), a);
    char label = o.joined(a, n);
    if (operand(in, 1).kind() != OperandKind.IMMEDIATE) {
      n = o.read(c, in, operand(in, 1), b);
      label = labels.join(label, o.joined(b, n));
    }
    o.flags(label, true);
  }

  private void multiply(Cpu c, Insn in) {
    if (in.mnemonic().equals("mulx")) {
      int n = o.read(c, in, operand(in, 2), a);
      char label = labels.join(o.joined(a, n), o.register(RDX));
      write(c, in, 1, label, n);
      write(c, in, 0, label, n);
      return;
    }
    int n = o.read(c, in, operand(in, 0), a);
    boolean divides = in.mnemonic().endsWith("div");
    char[] g = registers.general;
    char label = o.joined(a, n);
    label = labels.join(label, n == 1 ? labels.join(g[0], g[1]) : o.register(RAX));
    if (divides && n > 1) {
      label = labels.join(label, o.register(RDX));
    }
    if (n == 1) {
      o.setRegister(RAX, 2, label);
    } else {
      o.setRegister(RAX, n, label);
      o.setRegister(RDX, n, label);
    }
    labels.passes(label, o.rip);
    o.flags(label, false);
  }

  /** CBW, CWDE and CDQE within RAX; CWD, CDQ and CQO into RDX. */
  private void spread(Insn in) {
    char[] g = registers.general;
    int n = in.osize;
    switch (in.mnemonic()) {
      case "cbw", "cwde", "cdqe" -> {
        Arrays.fill(g, n / 2, n, g[n / 2 - 1]);
        if (n == 4) {
          Arrays.fill(g, 4, 8, Labels.PUBLIC);
        }
      }
      default -> o.setRegister(RDX, n, g[n - 1]);
    }
  }

  private void exchange(Cpu c, Insn in) {
    OperandSpec first = operand(in, 0);
    OperandSpec second = operand(in, 1);
    int n = o.read(c, in, first, a);
    o.read(c, in, second, b);
    o.write(c, in, first, b, n);
    o.write(c, in, second, a, n);
  }

  private void exchangeAdd(Cpu c, Insn in) {
    int n = o.read(c, in, operand(in, 0), a);
    o.read(c, in, operand(in, 1), b);
    char label = labels.join(o.joined(a, n), o.joined(b, n));
    o.write(c, in, operand(in, 1), a, n);
    o.flags(label, false);
    write(c, in, 0, label, n);
  }

  private void compareExchange(Cpu c, Insn in) {
    OperandSpec to = operand(in, 0);
    int n = o.read(c, in, to, a);
    System.arraycopy(registers.general, 0, b, 0, n);
    char label = labels.join(o.joined(a, n), o.joined(b, n));
    o.flags(label, true);
    if (c.zf()) {
      o.read(c, in, operand(in, 1), b);
      o.write(c, in, to, b, n);
    } else {
      System.arraycopy(a, 0, registers.general, 0, n);
      if (n == 4) {
        Arrays.fill(registers.general, 4, 8, Labels.PUBLIC);
      }
    }
  }

  private void compareExchangeWide(Cpu c, Insn in) {
    int half = o.width(operand(in, 0), in) / 2;
    o.memory.load(c, o.address, a, 2 * half);
    char[] g = registers.general;
    char label = labels.join(o.joined(a, 2 * half), labels.join(o.register(RAX), o.register(RDX)));
    o.flags(label, true);
    if (c.zf()) {
      System.arraycopy(g, RBX * 8, b, 0, half);
      System.arraycopy(g, RCX * 8, b, half, half);
      o.memory.store(c, o.address, b, 2 * half, o.rip);
    } else {
      System.arraycopy(a, 0, g, RAX * 8, half);
      System.arraycopy(a, half, g, RDX * 8, half);
    }
  }

  private void conditionalMove(Cpu c, Insn in) {
    OperandSpec to = operand(in, 0);
    int n = o.read(c, in, operand(in, 1), a);
    if (!o.condition) {
      o.read(c, in, to, a);
    }
    o.write(c, in, to, a, n);
  }

  /** XLAT: where the byte lay is known from before, AL is another one by now. */
  private void table(Cpu c, Insn in) {
    o.owner.decided(c, registers.general[0], FlowKind.ADDRESS, "index");
    o.memory.load(c, o.table(c, in), a, 1);
    registers.general[0] = a[0];
  }

  private void constants(Insn in) {
    switch (in.mnemonic()) {
      case "cpuid" -> {
        o.constant(RBX);
        o.constant(RCX);
        o.constant(RDX);
      }
      case "pvalidate", "rmpadjust" -> o.flags(Labels.PUBLIC, false);
      case "rdtscp" -> {
        o.constant(RCX);
        o.constant(RDX);
      }
      case "rmpquery" -> {
        o.constant(RCX);
        o.constant(RDX);
        o.flags(Labels.PUBLIC, false);
      }
      default -> o.constant(RDX);
    }
    o.constant(RAX);
  }

  private void random(Cpu c, Insn in) {
    Places places = o.owner.tracker.places;
    char label =
        places.everything() ? places.secret(in.mnemonic().toUpperCase(Locale.ROOT)) : Labels.PUBLIC;
    o.flags(Labels.PUBLIC, false);
    write(c, in, 0, label, o.width(operand(in, 0), in));
  }
}
