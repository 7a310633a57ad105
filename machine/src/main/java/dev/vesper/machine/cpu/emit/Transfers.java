package dev.vesper.machine.cpu.emit;

import static dev.vesper.machine.cpu.emit.HostAssembler.MAP_1;
import static dev.vesper.machine.cpu.emit.HostAssembler.R12;
import static dev.vesper.machine.cpu.emit.HostAssembler.R13;
import static dev.vesper.machine.cpu.emit.HostAssembler.R14;
import static dev.vesper.machine.cpu.emit.HostAssembler.RCX;

import dev.vesper.machine.cpu.NativeState;
import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.Operation;

/**
 * Jumps, calls, returns and the stack. Nothing of an instruction is done before it is sure that all
 * of it can be: what misses is executed by the interpreter from its beginning.
 */
final class Transfers {
  private static final int GUEST_RCX = 1;
  private static final int GUEST_RSP = 4;
  private static final int GUEST_RBP = 5;
  private static final int ZERO = 4;

  private final BlockEmitter e;
  private final HostAssembler a;

  Transfers(BlockEmitter e) {
    this.e = e;
    a = e.a;
  }

  /** {@return whether the instruction was emitted} */
  boolean emit(Insn in) {
    int next = e.next();
    int width = e.bits() / 8;
    if (in.osize != width) {
      // Other widths than the code's are rare.
      return false;
    }
    long target = next + in.imm;
    if (target != (int) target) {
      return false;
    }
    return switch (in.operation()) {
      case PUSH -> push(in);
      case POP -> pop(in);
      case LEAVE -> leave();
      case JCC -> conditional(in.form().condition, (int) target, next);
      case JCXZ, LOOP, LOOPE, LOOPNE -> counted(in, (int) target, next);
      case JMP -> direct(in) ? jump((int) target) : jumpIndirect(in);
      case CALL -> direct(in) ? call((int) target, next) : callIndirect(in, next);
      default -> ret(in);
    };
  }

  private static boolean direct(Insn in) {
    return in.form().operands.get(0).kind() == OperandKind.RELATIVE;
  }

  private int width() {
    return e.bits() / 8;
  }

  // ---- stack

  /** {@code to = stack pointer + distance}, cut to its width. */
  private void stackAt(int to, int distance) {
    a.memory(R12, distance);
    a.lea(to, e.bits() == 64);
  }

  /** Moves the stack pointer. */
  void move(int distance) {
    stackAt(R12, distance);
  }

  private void loadFound(int to) {
    if (e.bits() == 64) {
      e.found().load(to);
    } else {
      e.found().load32(to);
    }
  }

  private void storeFound(int from) {
    if (e.bits() == 64) {
      e.found().store(from);
    } else {
      e.found().store32(from);
    }
  }

  /** Finds the memory that a push goes to. */
  void pushed() {
    stackAt(R13, -width());
    e.lookUp(width(), true);
  }

  private boolean push(Insn in) {
    OperandKind kind = in.form().operands.get(0).kind();
    switch (kind) {
      case OPCODE_REGISTER, RM -> {
        if (in.mem) {
          if (!e.linearAddress(in)) {
            return false;
          }
          e.lookUp(width(), false);
          loadFound(RCX);
          a.state(NativeState.TEMPORARY).store(RCX);
          pushed();
          a.state(NativeState.TEMPORARY).load(RCX);
          storeFound(RCX);
        } else {
          pushed();
          storeFound(e.registerOr(in.rm, RCX));
        }
      }
      case IMMEDIATE -> {
        pushed();
        e.found().legacy(0, false, e.bits() == 64, MAP_1, 0xC7, 0, false);
        a.d((int) in.imm);
      }
      default -> {
        return false;
      }
    }
    move(-width());
    return true;
  }

  private boolean pop(Insn in) {
    OperandKind kind = in.form().operands.get(0).kind();
    if (kind != OperandKind.OPCODE_REGISTER && kind != OperandKind.RM || in.mem) {
      return false;
    }
    stackAt(R13, 0);
    e.lookUp(width(), false);
    if (in.rm == GUEST_RSP) {
      loadFound(R12);
      return true;
    }
    if (e.inMemory(in.rm)) {
      loadFound(RCX);
      a.state(BlockEmitter.slot(in.rm)).store(RCX);
    } else {
      loadFound(BlockEmitter.host(in.rm));
    }
    move(width());
    return true;
  }

  private boolean leave() {
    int rbp = BlockEmitter.host(GUEST_RBP);
    a.memory(rbp, 0);
    a.lea(R13, e.bits() == 64);
    e.lookUp(width(), false);
    a.memory(rbp, width());
    a.lea(R12, e.bits() == 64);
    loadFound(rbp);
    return true;
  }

  // ---- jumps

  private boolean jump(int target) {
    if (BlockEmitter.isDirect(target)) {
      e.cover(target);
      e.link(a.jmp(), target);
    } else {
      far(target);
    }
    return true;
  }

  /** Jumps out of the page. */
  private void far(int target) {
    e.place(R13, target);
    e.lookUpJump();
    e.jump();
  }

  /** Has a conditional jump that was written go to a place. */
  private void bind(int where, int target) {
    if (BlockEmitter.isDirect(target) && !e.covers()) {
      e.link(where, target);
    } else {
      e.outOfLine(
          () -> {
            a.bind32(where, a.position());
            jump(target);
          });
    }
  }

  private boolean conditional(int condition, int target, int next) {
    if (BlockEmitter.isDirect(target) && BlockEmitter.isDirect(next)) {
      // Both ways are sure to be taken: the edge is counted once for them.
      e.coverEither(condition, target, next);
      e.link(a.jcc(condition), target);
      e.link(a.jmp(), next);
      return true;
    }
    bind(a.jcc(condition), target);
    notTaken(next);
    return true;
  }

  /** Goes on behind a jump that is not taken. */
  private void notTaken(int next) {
    e.cover(next);
    e.jumpTo(next);
  }

  private boolean counted(Insn in, int target, int next) {
    if (in.asize == 2 || in.rep || in.repne) {
      // A repeat prefix chooses the condition of LOOPcc, on the processors that guests have.
      return false;
    }
    int counter = BlockEmitter.host(GUEST_RCX);
    boolean wide = in.asize == 8;
    boolean loop = in.operation() != Operation.JCXZ;
    if (loop && !BlockEmitter.isDirect(target)) {
      // A jump that misses is executed again by the interpreter: the count must not have changed.
      return false;
    }
    a.memory(counter, loop ? -1 : 0);
    a.lea(RCX, wide);
    if (loop) {
      a.move(counter, RCX);
    }
    int zero = a.jrcxz();
    if (!loop) {
      int not = a.jmp();
      a.bind8(zero);
      bind(a.jmp(), target);
      a.bind32(not, a.position());
      notTaken(next);
      return true;
    }
    if (in.operation() == Operation.LOOP) {
      bind(a.jmp(), target);
    } else {
      bind(a.jcc(in.operation() == Operation.LOOPE ? ZERO : ZERO + 1), target);
    }
    a.bind8(zero);
    notTaken(next);
    return true;
  }

  /** Puts the operand of an indirect jump into R13. */
  private boolean targetOperand(Insn in) {
    if (in.mem) {
      if (!e.linearAddress(in)) {
        return false;
      }
      e.lookUp(width(), false);
      loadFound(R13);
    } else {
      e.get(R13, in.rm);
    }
    return true;
  }

  private boolean jumpIndirect(Insn in) {
    if (!targetOperand(in)) {
      return false;
    }
    e.lookUpJump();
    e.jump();
    return true;
  }

  private boolean call(int target, int next) {
    if (!BlockEmitter.isDirect(target)) {
      e.place(R13, target);
      callFound(next);
      return true;
    }
    pushed();
    e.place(RCX, next);
    storeFound(RCX);
    move(-width());
    e.cover(target);
    e.link(a.jmp(), target);
    return true;
  }

  private boolean callIndirect(Insn in, int next) {
    if (!targetOperand(in)) {
      return false;
    }
    callFound(next);
    return true;
  }

  /** Calls what R13 says. */
  private void callFound(int next) {
    e.lookUpJump();
    a.state(NativeState.TEMPORARY).store(R13);
    a.table(NativeState.jumpCache(e.kind()) + 8, R14).load(R14);
    a.state(NativeState.TEMPORARY_2).store(R14);
    pushed();
    e.place(RCX, next);
    storeFound(RCX);
    move(-width());
    a.state(NativeState.TEMPORARY).load(R13);
    e.enterPage();
    e.coverFound();
    a.state(NativeState.TEMPORARY_2).legacy(0, false, false, MAP_1, 0xFF, 4, false);
  }

  private boolean ret(Insn in) {
    stackAt(R13, 0);
    e.lookUp(width(), false);
    loadFound(R13);
    e.lookUpJump();
    move(width() + (in.form().operands.isEmpty() ? 0 : (int) in.imm & 0xFFFF));
    e.jump();
    return true;
  }
}
