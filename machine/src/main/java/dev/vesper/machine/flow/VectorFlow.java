package dev.vesper.machine.flow;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.model.XsaveLayout;
import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.OperandSpec;
import java.util.Arrays;
import java.util.List;

/** Labels of vector and x87 instructions, and of all that is only joined. */
final class VectorFlow {
  private static final int RCX = 1;
  private static final int XMM = 16;

  /** Where the legacy region of FXSAVE and XSAVE has XMM0. */
  private static final int SAVED_XMM = 160;

  /** Bytes of what follows that are labelled too: all that a processor of today has. */
  private static final int SAVED = 2696;

  private final FlowOperands o;
  private final Labels labels;
  private final ShadowRegisters registers;
  private final char[] a = new char[FlowOperands.WIDEST];
  private final char[] b = new char[FlowOperands.WIDEST];
  private final char[] area = new char[SAVED];

  VectorFlow(FlowOperands operands) {
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
      case VECTOR_MOVE -> move(c, in);
      case VECTOR_LOW -> low(c, in);
      case VECTOR_HALF -> half(c, in);
      case VECTOR_BITWISE -> bitwise(c, in);
      case VECTOR_ZERO -> {
        int kept = in.mnemonic().equals("vzeroall") ? 0 : XMM;
        for (int i = 0; i < 16; i++) {
          int at = i * FlowOperands.WIDEST;
          Arrays.fill(registers.vector, at + kept, at + FlowOperands.WIDEST, Labels.PUBLIC);
        }
      }
      case VECTOR_COMPARE -> o.flags(all(c, in, 0), true);
      case VECTOR_INDEX -> {
        char label = all(c, in, 0);
        o.flags(label, false);
        if (in.mnemonic().contains("strm")) {
          Arrays.fill(registers.vector, 0, XMM, label);
        } else {
          o.setRegister(RCX, 4, label);
        }
      }
      case VECTOR_STORE_MASKED -> {
        int n = o.read(c, in, operand(in, 0), a);
        long at = o.destination & in.addressMask();
        o.memory.store(c, at, a, Math.min(n, in.mnemonic().equals("maskmovq") ? 8 : XMM), o.rip);
      }
      case X87 -> x87(c, in);
      case SAVE -> save(c, in);
      case RESTORE -> restore(c, in);
      case JOIN -> join(c, in, all(c, in, 0));
      case JOIN_PURE -> join(c, in, all(c, in, 1));
      case JOIN_FLAGS -> {
        char label = all(c, in, 1);
        o.flags(label, false);
        join(c, in, label);
      }
      default -> throw new AssertionError(flow);
    }
  }

  /** {@return what operands from one on are made of} */
  private char all(Cpu c, Insn in, int from) {
    char label = in.mask != 0 ? registers.mask[in.mask] : Labels.PUBLIC;
    List<OperandSpec> s = in.form().operands;
    int first = in.mask != 0 && !in.zeroing ? 0 : from;
    for (int i = first; i < s.size(); i++) {
      if (s.get(i).kind() != OperandKind.IMMEDIATE && !in.form().hasVectorIndex()) {
        label = labels.join(label, o.joined(a, o.read(c, in, s.get(i), a)));
      } else if (s.get(i).kind() == OperandKind.VECTOR
          || s.get(i).kind() == OperandKind.VECTOR_VVVV) {
        label = labels.join(label, o.joined(a, o.read(c, in, s.get(i), a)));
      }
    }
    return label;
  }

  private void join(Cpu c, Insn in, char label) {
    if (in.form().operands.isEmpty()
        || in.form().hasVectorIndex() && in.form().operands.get(0).kind() == OperandKind.MEMORY) {
      // Where a scatter has stored is not followed.
      return;
    }
    OperandSpec to = operand(in, 0);
    int n = o.width(to, in);
    Arrays.fill(a, 0, n, same(in) ? Labels.PUBLIC : label);
    o.write(c, in, to, a, n);
    if (in.form().operands.size() > 1 && !isVector(to)) {
      o.flags(label, false);
    }
  }

  private static boolean isVector(OperandSpec s) {
    return switch (s.kind()) {
      case VECTOR, VECTOR_RM, VECTOR_RM_REGISTER, MMX, MMX_RM, MMX_RM_REGISTER, MASK, MASK_RM ->
          true;
      default -> false;
    };
  }

  /** {@return whether equal operands make a constant} */
  private static boolean same(Insn in) {
    String m = in.mnemonic();
    boolean constant = m.contains("pcmpeq") || m.contains("psub") || m.contains("pcmpgt");
    if (!constant || in.mem || in.mask != 0) {
      return false;
    }
    return in.form().operands.size() == 2 ? in.reg == in.rm : in.vvvv == in.rm;
  }

  private void move(Cpu c, Insn in) {
    OperandSpec to = operand(in, 0);
    OperandSpec from = operand(in, 1);
    if (in.mask != 0) {
      join(c, in, all(c, in, 1));
      return;
    }
    int wide = o.width(to, in);
    int n = Math.min(wide, o.read(c, in, from, a));
    // MOVD and MOVQ into a vector register clear what is above.
    boolean clears = isVector(to) && !in.mem && n < wide;
    boolean quadword =
        in.mnemonic().endsWith("movq") && isVector(to) && to.kind() != OperandKind.MMX;
    if (quadword) {
      Arrays.fill(a, 8, FlowOperands.WIDEST, Labels.PUBLIC);
      n = in.mem && to.kind() == OperandKind.VECTOR_RM ? 8 : XMM;
    } else if (clears || to.kind() == OperandKind.VECTOR && n < wide) {
      Arrays.fill(a, n, wide, Labels.PUBLIC);
      n = wide;
    }
    o.write(c, in, to, a, n);
  }

  /** MOVSS and MOVSD. */
  private void low(Cpu c, Insn in) {
    List<OperandSpec> s = in.form().operands;
    int n = in.mnemonic().endsWith("ss") ? 4 : 8;
    o.read(c, in, s.get(s.size() - 1), b);
    if (in.mem) {
      boolean loads = s.get(0).kind() == OperandKind.VECTOR;
      Arrays.fill(b, n, FlowOperands.WIDEST, Labels.PUBLIC);
      o.write(c, in, s.get(0), b, loads ? XMM : n);
      return;
    }
    o.read(c, in, s.get(s.size() == 3 ? 1 : 0), a);
    System.arraycopy(b, 0, a, 0, n);
    o.write(c, in, s.get(0), a, XMM);
  }

  /** MOVLPS, MOVHPS and their like. */
  private void half(Cpu c, Insn in) {
    List<OperandSpec> s = in.form().operands;
    String m = in.mnemonic();
    boolean high = m.contains("movh") && !m.contains("movhl") || m.contains("movlh");
    if (in.mem && s.get(0).kind() == OperandKind.MEMORY) {
      o.read(c, in, s.get(1), a);
      System.arraycopy(a, high ? 8 : 0, b, 0, 8);
      o.write(c, in, s.get(0), b, 8);
      return;
    }
    o.read(c, in, s.get(s.size() - 1), b);
    o.read(c, in, s.get(s.size() == 3 ? 1 : 0), a);
    System.arraycopy(b, m.contains("movhl") ? 8 : 0, a, high ? 8 : 0, 8);
    o.write(c, in, s.get(0), a, XMM);
  }

  private void bitwise(Cpu c, Insn in) {
    List<OperandSpec> s = in.form().operands;
    int last = s.size() - 1;
    if (in.mask != 0) {
      join(c, in, all(c, in, 1));
      return;
    }
    int n = o.read(c, in, s.get(last), b);
    o.read(c, in, s.get(last - 1), a);
    int first = last == 2 ? in.vvvv : in.reg;
    boolean zero = in.mnemonic().contains("xor") && !in.mem && first == in.rm;
    for (int i = 0; i < n; i++) {
      a[i] = zero ? Labels.PUBLIC : labels.join(a[i], b[i]);
    }
    o.write(c, in, s.get(0), a, n);
  }

  /** The x87 is one thing: what goes in may come out. */
  private void x87(Cpu c, Insn in) {
    String m = in.mnemonic();
    if (m.equals("fninit") || m.equals("emms")) {
      registers.x87 = Labels.PUBLIC;
    } else if (in.mem) {
      int n = in.form().operands.isEmpty() ? 10 : o.width(operand(in, 0), in);
      boolean stores = m.startsWith("fst") || m.startsWith("fist") || m.startsWith("fbst");
      if (stores || m.startsWith("fns")) {
        Arrays.fill(a, 0, n, registers.x87);
        o.memory.store(c, o.address, a, n, o.rip);
      } else {
        o.memory.load(c, o.address, a, n);
        registers.x87 = labels.join(registers.x87, o.joined(a, n));
      }
    } else if (m.contains("comi")) {
      o.flags(registers.x87, true);
    }
  }

  /** {@return how many bytes the instruction has of its area} */
  private static int saved(Cpu c, Insn in) {
    String m = in.mnemonic();
    if (m.startsWith("fx")) {
      return XsaveLayout.HEADER;
    }
    boolean supervisor = m.equals("xsaves") || m.equals("xrstors");
    long components = c.xcr0 | (supervisor ? c.xss : 0);
    long wanted = components & (c.r[2] << 32 | c.r[0] & 0xFFFF_FFFFL);
    boolean compact = supervisor || m.equals("xsavec");
    return compact ? XsaveLayout.compactBytes(wanted) : XsaveLayout.standardBytes(wanted);
  }

  /** What lies outside the XMM registers is one thing. */
  private void save(Cpu c, Insn in) {
    char rest = registers.x87;
    for (int i = 0; i < 32; i++) {
      int at = i * FlowOperands.WIDEST;
      for (int k = i < 16 ? XMM : 0; k < FlowOperands.WIDEST; k++) {
        char label = registers.vector[at + k];
        rest = label == rest ? rest : labels.join(rest, label);
      }
    }
    int n = saved(c, in);
    Arrays.fill(area, Labels.PUBLIC);
    Arrays.fill(area, 32, SAVED_XMM, labels.join(registers.x87, o.joined(registers.mmx, 64)));
    if (n > XsaveLayout.LEGACY_BYTES) {
      Arrays.fill(area, XsaveLayout.LEGACY_BYTES, n, rest);
    }
    for (int i = 0; i < 16; i++) {
      System.arraycopy(registers.vector, i * FlowOperands.WIDEST, area, SAVED_XMM + XMM * i, XMM);
    }
    o.memory.store(c, o.address, area, n, o.rip);
  }

  private void restore(Cpu c, Insn in) {
    int n = saved(c, in);
    o.memory.load(c, o.address, area, n);
    char old = Labels.PUBLIC;
    for (int i = 32; i < SAVED_XMM; i++) {
      old = labels.join(old, area[i]);
    }
    registers.x87 = old;
    Arrays.fill(registers.mmx, old);
    char rest = Labels.PUBLIC;
    for (int i = XsaveLayout.LEGACY_BYTES; i < n; i++) {
      rest = area[i] == rest ? rest : labels.join(rest, area[i]);
    }
    for (int i = 0; i < 32; i++) {
      int at = i * FlowOperands.WIDEST;
      if (n > XsaveLayout.LEGACY_BYTES) {
        Arrays.fill(registers.vector, at, at + FlowOperands.WIDEST, rest);
      }
      if (i < 16) {
        System.arraycopy(area, SAVED_XMM + XMM * i, registers.vector, at, XMM);
      }
    }
  }
}
