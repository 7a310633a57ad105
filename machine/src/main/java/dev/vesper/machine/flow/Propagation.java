package dev.vesper.machine.flow;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.observe.flow.FlowKind;
import dev.vesper.machine.trace.MemoryOperands;
import dev.vesper.x86.Insn;
import dev.vesper.x86.Msr;
import dev.vesper.x86.Opcode;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Has labels follow one processor at one privilege level. Before an instruction its addresses are
 * noted, behind it labels move: one that faults or exits moves none.
 */
final class Propagation {
  private static final int RCX = 1;
  private static final int RSP = 4;
  private static final int FRAME = 40;

  /** By {@link Opcode#id}. */
  private static final @Nullable FlowClass[] CLASSES = new FlowClass[8192];

  final ShadowRegisters registers = new ShadowRegisters();
  final FlowTracker tracker;
  final Labels labels;
  private final FlowOperands operands;
  private final IntegerFlow integers;
  private final VectorFlow vectors;
  private final StackFlow stack;
  private final StringFlow strings;

  /** The instruction that is in execution, or null. */
  private @Nullable Insn pending;

  private FlowClass flow = FlowClass.NONE;

  /** An event was delivered: its frame lies at RSP when its handler begins. */
  private boolean entered;

  private boolean withError;
  private char error;

  Propagation(FlowTracker tracker) {
    this.tracker = tracker;
    labels = tracker.labels;
    operands = new FlowOperands(this);
    integers = new IntegerFlow(operands);
    vectors = new VectorFlow(operands);
    stack = new StackFlow(operands);
    strings = new StringFlow(operands);
  }

  private static FlowClass classOf(Opcode form) {
    FlowClass f = CLASSES[form.id];
    if (f == null) {
      f = FlowClass.of(form);
      CLASSES[form.id] = f;
    }
    return f;
  }

  /** An instruction is about to be executed. */
  void before(Cpu c, Insn in) {
    if (pending != null) {
      interrupted(c);
    }
    if (entered) {
      enter(c);
    }
    if (in.opcode == null) {
      return;
    }
    pending = in;
    flow = classOf(in.form());
    operands.before(c, in);
    if (tracker.taint) {
      judge(c, in);
    }
  }

  /** Looks at what the host may decide, before the instruction can fault by it. */
  private void judge(Cpu c, Insn in) {
    if (in.mem && flow != FlowClass.ADDRESS && flow != FlowClass.NONE) {
      chosen(c, in.base, FlowKind.ADDRESS, "base");
      if (!in.form().hasVectorIndex()) {
        chosen(c, in.index, FlowKind.ADDRESS, "index");
      }
    }
    switch (flow) {
      case STRING -> {
        if (in.rep || in.repne) {
          chosen(c, RCX, FlowKind.COUNT, "repeat count");
        }
        chosen(c, 7, FlowKind.ADDRESS, "rDI");
        if (strings.hasSource(in)) {
          chosen(c, 6, FlowKind.ADDRESS, "rSI");
        }
      }
      case BRANCH -> {
        if (registers.compared) {
          labels.check(registers.flags);
        } else {
          decided(c, registers.flags, FlowKind.BRANCH, "flags");
        }
      }
      case COUNT_BRANCH -> decided(c, operands.register(RCX), FlowKind.BRANCH, "rCX");
      default -> {
        // Jumps are judged behind the load of their target.
      }
    }
  }

  private void chosen(Cpu c, int register, FlowKind kind, String sink) {
    if (register >= 0 && register < 16) {
      decided(c, operands.register(register), kind, sink);
    }
  }

  /** Reports a value that decides something and was never compared. */
  void decided(Cpu c, char label, FlowKind kind, String sink) {
    Origin o = labels.unchecked(label);
    if (o != null && tracker.taint) {
      tracker.found(kind, c, operands.rip, o, "", sink);
      if (kind == FlowKind.BRANCH) {
        // The branch is a comparison itself.
        labels.check(label);
      }
    }
  }

  /** The instruction did not come to its end; a repeated one may have done a part. */
  void interrupted(Cpu c) {
    Insn in = pending;
    pending = null;
    if (in != null && flow == FlowClass.STRING && c.r[RCX] != operands.count) {
      strings.moved(c, in);
    }
  }

  /** An event is about to be delivered. */
  void delivered(Cpu c, boolean hasError, char label) {
    interrupted(c);
    entered = true;
    withError = hasError;
    error = label;
  }

  /** The handler of an event begins: hardware has stored a frame. */
  private void enter(Cpu c) {
    entered = false;
    char[] frame = new char[FRAME + 8];
    Arrays.fill(frame, Labels.PUBLIC);
    int at = 0;
    if (withError) {
      Arrays.fill(frame, 0, 8, error);
      at = 8;
    }
    if (c.mode64()) {
      Arrays.fill(frame, at + 16, at + 24, registers.flags);
      System.arraycopy(registers.general, RSP * 8, frame, at + 24, 8);
      tracker.access.store(c, c.r[RSP], frame, at + FRAME, c.rip);
    }
    operands.constant(RSP);
  }

  /** The instruction has been executed. */
  void after(Cpu c) {
    Insn in = pending;
    if (in == null) {
      return;
    }
    pending = null;
    switch (flow) {
      case NONE -> {}
      case STRING -> strings.moved(c, in);
      case PUSH,
          POP,
          PUSH_ALL,
          POP_ALL,
          PUSH_FLAGS,
          POP_FLAGS,
          ENTER,
          LEAVE,
          JUMP,
          CALL,
          RETURN,
          INTERRUPT_RETURN ->
          stack.moved(c, in, flow);
      case VECTOR_MOVE,
          VECTOR_LOW,
          VECTOR_HALF,
          VECTOR_BITWISE,
          VECTOR_ZERO,
          VECTOR_COMPARE,
          VECTOR_STORE_MASKED,
          VECTOR_INDEX,
          X87,
          SAVE,
          RESTORE,
          JOIN,
          JOIN_PURE,
          JOIN_FLAGS ->
          vectors.moved(c, in, flow);
      case SYSTEM_CALL -> {
        operands.constant(RCX);
        Arrays.fill(registers.general, 11 * 8, 12 * 8, registers.flags);
      }
      case READ_MSR, WRITE_MSR -> msr(c);
      default -> integers.moved(c, in, flow);
    }
  }

  private void msr(Cpu c) {
    boolean ghcb = (int) operands.count == Msr.SEV_GHCB;
    if (flow == FlowClass.READ_MSR) {
      char label = ghcb ? registers.ghcbMsr : Labels.PUBLIC;
      labels.passes(label, operands.rip);
      operands.setRegister(0, 4, label);
      operands.setRegister(2, 4, label);
    } else if (ghcb) {
      char label = labels.join(operands.register(0), operands.register(2));
      registers.ghcbMsr = label;
      // The address of a page that is shared is nothing private.
      if (tracker.leaks && labels.secret(label) && (c.r[0] & 0xFFF) != 0) {
        tracker.access.report(FlowKind.LEAK, c, label, operands.rip, "GHCB MSR");
      }
    }
  }

  /** {@return where a stack pointer points} */
  static long stackAddress(Cpu c, long rsp) {
    if (c.mode64()) {
      return rsp;
    }
    boolean wide = (c.segAttr[CpuState.SS] & 0x400) != 0;
    return c.segBase[CpuState.SS] + (rsp & (wide ? 0xFFFF_FFFFL : 0xFFFF)) & 0xFFFF_FFFFL;
  }

  /** {@return the linear address of the memory operand that an instruction names, or -1} */
  static long address(Cpu c, Insn in) {
    return MemoryOperands.address(c, in);
  }
}
