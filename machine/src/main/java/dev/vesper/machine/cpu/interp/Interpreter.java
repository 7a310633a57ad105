package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.Op;
import dev.vesper.machine.cpu.OpFactory;
import dev.vesper.machine.cpu.Unimplemented;
import dev.vesper.x86.Formatter;
import dev.vesper.x86.Insn;
import dev.vesper.x86.Opcode;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.OperandSpec;
import dev.vesper.x86.Operation;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Chooses the operation for a decoded instruction. */
public final class Interpreter implements OpFactory {
  /** Makes the operations of one opcode form: what the form decides has been chosen. */
  private interface Maker {
    MemOp make(Insn in, int codeMode);
  }

  private final CpuFeatures features;

  /** By {@link Opcode#id}, as far as they have been asked for. */
  private @Nullable Maker[] makers = new Maker[1024];

  /** By {@link Opcode#id}: whether the form sets RIP, as far as somebody has asked. */
  private byte[] transfers = new byte[1024];

  private static final byte GOES_ON = 1;
  private static final byte SETS_RIP = 2;

  private final Families families = new Families();

  /** An interpreter for processors with the given features; others are undefined. */
  public Interpreter(CpuFeatures features) {
    this.features = features;
  }

  private static MemOp undefined() {
    return new PlainOp((o, c) -> c.ud(), false);
  }

  @Override
  public Op create(@Nullable Insn insn, int codeMode, int offset) {
    if (insn == null) {
      return undefined();
    }
    MemOp op = maker(insn.form(), insn.evex).make(insn, codeMode);
    op.bind(insn, codeMode, offset);
    return op;
  }

  @Override
  public boolean setsRip(Insn insn) {
    Opcode form = insn.form();
    if (form.id >= transfers.length) {
      transfers = Arrays.copyOf(transfers, 2 * form.id);
    }
    byte known = transfers[form.id];
    if (known == 0) {
      known = decideSetsRip(form) ? SETS_RIP : GOES_ON;
      transfers[form.id] = known;
    }
    return known == SETS_RIP;
  }

  private boolean decideSetsRip(Opcode form) {
    String m = executedAs(form);
    if (m == null) {
      return false;
    }
    return switch (Operation.of(m)) {
      case JMP, CALL, RET, JCXZ, LOOP, LOOPE, LOOPNE, JCC -> true;
      default -> {
        Families.Entry e = families.get(m);
        yield e != null && e.transfers();
      }
    };
  }

  /** {@return the mnemonic that a form is executed as, or null if it is undefined} */
  private @Nullable String executedAs(Opcode form) {
    String f = form.feature;
    return f != null && !features.has(f) ? form.otherwise : form.mnemonic;
  }

  private Maker maker(Opcode form, boolean evex) {
    if (form.id >= makers.length) {
      makers = Arrays.copyOf(makers, 2 * form.id);
    }
    Maker maker = makers[form.id];
    if (maker == null) {
      String m = executedAs(form);
      maker = m == null ? (in, mode) -> undefined() : choose(form, m, evex);
      makers[form.id] = maker;
    }
    return maker;
  }

  private Maker choose(Opcode form, String m, boolean evex) {
    Operation operation = Operation.of(m);
    int number = operation.number;
    switch (operation) {
      case ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST -> {
        return (in, mode) -> alu(in, form, number);
      }
      case MOV -> {
        return (in, mode) -> mov(in, form, mode);
      }
      case MOVZX, MOVSX -> {
        boolean signed = operation == Operation.MOVSX;
        return (in, mode) -> movx(in, form, signed, mode);
      }
      case LEA -> {
        return (in, mode) -> lea(in);
      }
      case PUSH, POP -> {
        if (form.operands.get(0).kind() == OperandKind.OPCODE_REGISTER) {
          boolean pop = operation == Operation.POP;
          return (in, mode) -> stack(in, pop, mode);
        }
      }
      case JMP -> {
        return form.operands.get(0).kind() == OperandKind.RELATIVE
            ? (in, mode) -> new Branches.Jmp()
            : (in, mode) -> new Branches.JmpRm();
      }
      case CALL -> {
        return form.operands.get(0).kind() == OperandKind.RELATIVE
            ? (in, mode) -> new Branches.Call()
            : (in, mode) -> new Branches.CallRm();
      }
      case RET -> {
        return (in, mode) -> new Branches.Ret();
      }
      case JCXZ -> {
        return (in, mode) -> new Branches.Jcxz();
      }
      case LOOP, LOOPE, LOOPNE -> {
        return (in, mode) -> new Branches.Loop(number);
      }
      case INC, DEC, NOT, NEG -> {
        return (in, mode) -> unary(in, form, number);
      }
      case ROL, ROR, RCL, RCR, SHL, SHR, SAR -> {
        return (in, mode) -> shift(in, form, number);
      }
      case CMOVCC, SETCC -> {
        int cc = operation.condition(m);
        boolean set = operation == Operation.SETCC;
        return (in, mode) -> conditional(in, cc, set);
      }
      case JCC -> {
        int cc = operation.condition(m);
        return (in, mode) -> Templates.make(Jcc.class, cc);
      }
      case HINT -> {
        return (in, mode) -> new PlainOp(NO_EFFECT, false);
      }
      default -> {
        // found below
      }
    }
    Leaving leaving = families.leaving(m);
    if (leaving != null) {
      return (in, mode) -> new LeavingOp(leaving);
    }
    // The comparisons that give vectors under VEX give masks under EVEX.
    boolean toMask = evex && form.operands.get(0).kind() == OperandKind.MASK;
    Families.Entry masked = toMask ? families.get(m + Families.TO_MASK) : null;
    Families.Entry e = masked != null ? masked : families.get(m);
    if (e == null) {
      return (in, mode) -> new PlainOp(UNIMPLEMENTED, false);
    }
    Semantics plain = e.semantics();
    Semantics suppressed = suppressing(plain);
    boolean transfers = e.transfers();
    return (in, mode) -> new PlainOp(in.suppress ? suppressed : plain, transfers);
  }

  /** EVEX.b with registers: no exception is reported, and the instruction may have a rounding. */
  private static Semantics suppressing(Semantics s) {
    return (o, c) -> {
      int saved = c.mxcsr;
      int rounding = o.insn.form().roundsEmbedded() ? o.insn.rounding << 13 : saved & 0x6000;
      // Everything masked; PE as if it were there already, since no flag is kept.
      c.mxcsr = saved & 0x8040 | 0x1FA0 | rounding;
      try {
        s.run(o, c);
      } finally {
        c.mxcsr = saved;
      }
    };
  }

  /** {@return whether a form is executed; the others end the run by name} */
  public boolean executes(Opcode form) {
    Insn in = new Insn();
    in.opcode = form;
    in.bits = form.validIn64() ? 64 : 32;
    in.osize = 4;
    in.asize = in.bits / 8;
    MemOp op = choose(form, form.mnemonic, false).make(in, 0);
    return !(op instanceof PlainOp p) || !p.is(UNIMPLEMENTED);
  }

  private static final Semantics NO_EFFECT = (o, c) -> {};

  private static final Semantics UNIMPLEMENTED = Interpreter::unimplemented;

  private static void unimplemented(MemOp o, Cpu c) {
    long rip = o.thisRip(c);
    throw new Unimplemented(
        "instruction "
            + o.insn.hex()
            + " ("
            + new Formatter(Formatter.Syntax.INTEL).format(o.insn, rip)
            + ") at RIP 0x"
            + Long.toHexString(rip));
  }

  private static int reg(int number, int bytes, Insn in) {
    return bytes == 1 ? MemOp.code8(number, in) : number;
  }

  private static TemplateOp alu(Insn in, Opcode form, int op) {
    OperandSpec a = form.operands.get(0);
    OperandSpec b = form.operands.get(1);
    int n = a.bytes(in) == 0 ? 1 : a.bytes(in);
    int shape;
    if (b.kind() == OperandKind.IMMEDIATE) {
      shape = a.kind() == OperandKind.RM && in.mem ? Alu.MI : Alu.RI;
    } else if (a.kind() == OperandKind.REG) {
      shape = in.mem ? Alu.RM : Alu.RR;
    } else {
      shape = in.mem ? Alu.MR : Alu.RR;
    }
    TemplateOp t = Templates.make(Alu.class, Alu.key(op, n, shape));
    boolean toReg = a.kind() == OperandKind.REG;
    t.dst = (byte) (a.kind() == OperandKind.FIXED ? 0 : reg(toReg ? in.reg : in.rm, n, in));
    t.src = (byte) (reg(toReg ? in.rm : in.reg, n, in));
    t.imm = n == 8 ? in.imm : in.imm & (1L << 8 * n) - 1;
    return t;
  }

  private static MemOp mov(Insn in, Opcode form, int codeMode) {
    OperandSpec a = form.operands.get(0);
    OperandSpec b = form.operands.get(1);
    if (a.kind() == OperandKind.CONTROL || b.kind() == OperandKind.CONTROL) {
      boolean write = a.kind() == OperandKind.CONTROL;
      return new PlainOp((o, c) -> SystemOps.movCr(o, c, write), false);
    }
    if (a.kind() == OperandKind.DEBUG || b.kind() == OperandKind.DEBUG) {
      boolean write = a.kind() == OperandKind.DEBUG;
      return new PlainOp((o, c) -> SystemOps.movDr(o, c, write), false);
    }
    if (a.kind() == OperandKind.SEGMENT || b.kind() == OperandKind.SEGMENT) {
      boolean load = a.kind() == OperandKind.SEGMENT;
      return new PlainOp((o, c) -> SystemOps.movSegment(o, c, load), false);
    }
    int n = a.kind() == OperandKind.FIXED ? Math.max(1, a.bytes(in)) : a.bytes(in);
    boolean seg = in.mem && MemOp.segmentKind(in.segment(), codeMode) != 0;
    if (a.kind() == OperandKind.OFFSET || b.kind() == OperandKind.OFFSET) {
      boolean load = b.kind() == OperandKind.OFFSET;
      n = Math.max(1, (load ? b : a).bytes(in));
      return Templates.make(Mov.class, Mov.key(load ? Mov.LOAD : Mov.STORE, n, n, false, seg));
    }
    int form2;
    TemplateOp t;
    if (b.kind() == OperandKind.IMMEDIATE) {
      form2 = in.mem ? Mov.STORE_IMM : Mov.RI;
      t = Templates.make(Mov.class, Mov.key(form2, n, n, false, seg));
      t.dst = (byte) (reg(in.rm, n, in));
      t.imm = in.imm;
      return t;
    }
    boolean toReg = a.kind() == OperandKind.REG;
    form2 = !in.mem ? Mov.RR : toReg ? Mov.LOAD : Mov.STORE;
    t = Templates.make(Mov.class, Mov.key(form2, n, n, false, seg));
    t.dst = (byte) (reg(toReg ? in.reg : in.rm, n, in));
    t.src = (byte) (reg(toReg ? in.rm : in.reg, n, in));
    return t;
  }

  private static TemplateOp movx(Insn in, Opcode form, boolean signed, int codeMode) {
    int from = form.operands.get(1).bytes(in);
    boolean seg = in.mem && MemOp.segmentKind(in.segment(), codeMode) != 0;
    int to = in.osize;
    TemplateOp t =
        Templates.make(
            Mov.class, Mov.key(in.mem ? Mov.LOAD : Mov.RR, to, Math.min(from, to), signed, seg));
    t.dst = (byte) (in.reg);
    t.src = (byte) (reg(in.rm, from, in));
    return t;
  }

  private static TemplateOp lea(Insn in) {
    TemplateOp t = Templates.make(Mov.class, Mov.key(Mov.LEA, in.osize, in.osize, false, false));
    t.dst = (byte) in.reg;
    return t;
  }

  private static TemplateOp stack(Insn in, boolean pop, int codeMode) {
    TemplateOp t = Templates.make(Stack.class, Stack.key(pop, in.osize, codeMode >> 1 == 2));
    t.dst = (byte) in.rm;
    return t;
  }

  private static TemplateOp unary(Insn in, Opcode form, int op) {
    int n = form.operands.get(0).bytes(in);
    TemplateOp t = Templates.make(Unary.class, Unary.key(op, n, in.mem));
    t.dst = (byte) reg(in.rm, n, in);
    return t;
  }

  private static TemplateOp shift(Insn in, Opcode form, int op) {
    int n = form.operands.get(0).bytes(in);
    OperandSpec count = form.operands.get(1);
    TemplateOp t =
        Templates.make(Shift.class, Shift.key(op, n, in.mem, count.kind() == OperandKind.FIXED));
    t.dst = (byte) reg(in.rm, n, in);
    t.imm = count.kind() == OperandKind.ONE ? 1 : in.imm;
    return t;
  }

  private static TemplateOp conditional(Insn in, int cc, boolean set) {
    TemplateOp t = Templates.make(CondMove.class, CondMove.key(cc, set ? 1 : in.osize, set));
    t.dst = (byte) (set ? MemOp.code8(in.rm, in) : in.reg);
    t.src = (byte) in.rm;
    return t;
  }
}
