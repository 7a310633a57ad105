package dev.vesper.machine.flow;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandSpec;
import java.util.Arrays;

/** Labels of an instruction's operands. */
final class FlowOperands {
  /** Bytes of the widest operand, an XSAVE area not counted. */
  static final int WIDEST = 64;

  final ShadowRegisters registers;
  final Labels labels;
  final FlowMemory memory;
  final Propagation owner;

  // What was there before the instruction.
  long rip;
  long address;
  long stack;
  long accumulator;
  long count;
  long destination;
  boolean condition;
  long regValue;
  long rmValue;

  private static final int NO_CONDITION = -1;

  FlowOperands(Propagation owner) {
    this.owner = owner;
    registers = owner.registers;
    labels = owner.labels;
    memory = owner.tracker.access;
  }

  /** Notes what the instruction may change. */
  void before(Cpu c, Insn in) {
    rip = c.rip;
    stack = c.r[4];
    accumulator = c.r[0];
    count = c.r[1];
    destination = c.r[7];
    regValue = c.r[in.reg & 15];
    rmValue = c.r[in.rm & 15];
    address = Propagation.address(c, in);
    int cc = in.form().condition;
    condition = cc != NO_CONDITION && c.cond(cc);
  }

  /** {@return the linear address of the byte that XLAT has read} */
  long table(Cpu c, Insn in) {
    int seg = in.segOverride >= 0 ? in.segOverride : CpuState.DS;
    long base = c.mode64() && seg < CpuState.FS ? 0 : c.segBase[seg];
    return base + (c.r[3] + (accumulator & 0xFF) & in.addressMask()) & c.linearMask();
  }

  /** {@return what a general register is made of} */
  char register(int number) {
    char[] g = registers.general;
    int at = number * 8;
    char label = g[at];
    for (int i = at + 1; i < at + 8; i++) {
      if (g[i] != label) {
        label = labels.join(label, g[i]);
      }
    }
    return label;
  }

  /** Nobody has chosen what a register has. */
  void constant(int number) {
    Arrays.fill(registers.general, number * 8, number * 8 + 8, Labels.PUBLIC);
  }

  /** A register has a value of so many bytes, made of one thing. */
  void setRegister(int number, int bytes, char label) {
    int at = number * 8;
    Arrays.fill(registers.general, at, at + bytes, label);
    if (bytes == 4) {
      Arrays.fill(registers.general, at + 4, at + 8, Labels.PUBLIC);
    }
  }

  /** {@return what so many bytes are made of} */
  char joined(char[] of, int bytes) {
    char label = Labels.PUBLIC;
    for (int i = 0; i < bytes; i++) {
      if (of[i] != label) {
        label = labels.join(label, of[i]);
      }
    }
    return label;
  }

  /** {@return where the low byte of a general register of so many bytes lies} */
  private static int place(int number, int bytes, Insn in) {
    boolean high = bytes == 1 && in.rex == 0 && !in.vex && !in.evex && number >= 4 && number < 8;
    return high ? (number - 4) * 8 + 1 : number * 8;
  }

  /** {@return how many bytes an operand has} */
  int width(OperandSpec s, Insn in) {
    int n = s.width(in);
    if (in.mem && in.form().memBytes != 0 && isRm(s)) {
      n = in.form().memBytes;
    }
    return n == 0 ? 8 : Math.min(n, WIDEST);
  }

  private static boolean isRm(OperandSpec s) {
    return switch (s.kind()) {
      case RM, MEMORY, MMX_RM, VECTOR_RM, MASK_RM -> true;
      default -> false;
    };
  }

  /** Reads the labels of an operand; {@return how many bytes} */
  int read(Cpu c, Insn in, OperandSpec s, char[] to) {
    int n = width(s, in);
    switch (s.kind()) {
      case RM, RM_REGISTER, MEMORY -> rm(c, in, to, n, registers.general, place(in.rm, n, in));
      case REG -> System.arraycopy(registers.general, place(in.reg, n, in), to, 0, n);
      case OPCODE_REGISTER -> System.arraycopy(registers.general, place(in.rm, n, in), to, 0, n);
      case VVVV -> System.arraycopy(registers.general, in.vvvv * 8, to, 0, n);
      case FIXED -> fixed(s, to, n);
      case OFFSET -> memory.load(c, address, to, n);
      case MMX -> System.arraycopy(registers.mmx, (in.reg & 7) * 8, to, 0, Math.min(n, 8));
      case MMX_RM, MMX_RM_REGISTER -> rm(c, in, to, Math.min(n, 8), registers.mmx, (in.rm & 7) * 8);
      case VECTOR -> System.arraycopy(registers.vector, in.reg * WIDEST, to, 0, n);
      case VECTOR_RM, VECTOR_RM_REGISTER -> rm(c, in, to, n, registers.vector, in.rm * WIDEST);
      case VECTOR_VVVV -> System.arraycopy(registers.vector, in.vvvv * WIDEST, to, 0, n);
      case VECTOR_IMMEDIATE ->
          System.arraycopy(registers.vector, in.immRegister() * WIDEST, to, 0, n);
      case MASK -> Arrays.fill(to, 0, n, registers.mask[in.reg & 7]);
      case MASK_VVVV -> Arrays.fill(to, 0, n, registers.mask[in.vvvv & 7]);
      case MASK_RM -> {
        if (in.mem) {
          memory.load(c, address, to, n);
        } else {
          Arrays.fill(to, 0, n, registers.mask[in.rm & 7]);
        }
      }
      default -> Arrays.fill(to, 0, n, Labels.PUBLIC);
    }
    return n;
  }

  private void rm(Cpu c, Insn in, char[] to, int n, char[] file, int at) {
    if (in.mem) {
      memory.load(c, address, to, n);
    } else {
      System.arraycopy(file, at, to, 0, n);
    }
  }

  private void fixed(OperandSpec s, char[] to, int n) {
    int number = general(s);
    if (number < 0) {
      Arrays.fill(to, 0, n, Labels.PUBLIC);
    } else {
      System.arraycopy(registers.general, number, to, 0, n);
    }
  }

  /** {@return where the labels of a fixed general register lie, or -1 if it is none} */
  private static int general(OperandSpec s) {
    return switch (s.reg().kind()) {
      case GPR8 -> s.reg().index() * 8;
      case GPR8H -> (s.reg().index() - 4) * 8 + 1;
      case GPR16, GPR32, GPR64 -> s.reg().index() * 8;
      default -> -1;
    };
  }

  /** Writes the labels of an operand; what is behind a vector's end stays as it is. */
  void write(Cpu c, Insn in, OperandSpec s, char[] from, int n) {
    switch (s.kind()) {
      case RM, RM_REGISTER, MEMORY -> {
        if (in.mem) {
          memory.store(c, address, from, n, rip);
        } else {
          general(place(in.rm, n, in), from, n);
        }
      }
      case REG -> general(place(in.reg, n, in), from, n);
      case OPCODE_REGISTER -> general(place(in.rm, n, in), from, n);
      case VVVV -> general(in.vvvv * 8, from, n);
      case FIXED -> {
        int at = general(s);
        if (at >= 0) {
          general(at, from, n);
        }
      }
      case OFFSET -> memory.store(c, address, from, n, rip);
      case MMX -> file(registers.mmx, (in.reg & 7) * 8, from, Math.min(n, 8));
      case VECTOR -> vector(in, in.reg, from, n);
      case VECTOR_VVVV -> vector(in, in.vvvv, from, n);
      case VECTOR_RM, VECTOR_RM_REGISTER -> {
        if (in.mem) {
          memory.store(c, address, from, n, rip);
        } else {
          vector(in, in.rm, from, n);
        }
      }
      case MMX_RM, MMX_RM_REGISTER -> {
        if (in.mem) {
          memory.store(c, address, from, n, rip);
        } else {
          file(registers.mmx, (in.rm & 7) * 8, from, Math.min(n, 8));
        }
      }
      case MASK -> registers.mask[in.reg & 7] = joined(from, n);
      case MASK_RM -> {
        if (in.mem) {
          memory.store(c, address, from, n, rip);
        } else {
          registers.mask[in.rm & 7] = joined(from, n);
        }
      }
      default -> {
        // not written, or not followed
      }
    }
  }

  private void general(int at, char[] from, int n) {
    file(registers.general, at, from, n);
    if (n == 4) {
      Arrays.fill(registers.general, at + 4, at + 8, Labels.PUBLIC);
    }
  }

  private void file(char[] file, int at, char[] from, int n) {
    System.arraycopy(from, 0, file, at, n);
    char last = Labels.PUBLIC;
    for (int i = 0; i < n; i++) {
      if (from[i] != last) {
        last = from[i];
        labels.passes(last, rip);
      }
    }
  }

  private void vector(Insn in, int number, char[] from, int n) {
    file(registers.vector, number * WIDEST, from, n);
    if (in.vex || in.evex) {
      Arrays.fill(registers.vector, number * WIDEST + n, (number + 1) * WIDEST, Labels.PUBLIC);
    }
  }

  /** The arithmetic flags are made of something. */
  void flags(char label, boolean compared) {
    registers.flags = label;
    registers.compared = compared;
    if (compared) {
      labels.check(label);
    }
  }
}
