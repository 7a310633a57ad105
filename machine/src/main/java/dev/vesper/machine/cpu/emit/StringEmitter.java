package dev.vesper.machine.cpu.emit;

import static dev.vesper.machine.cpu.emit.HostAssembler.MAP_0F;
import static dev.vesper.machine.cpu.emit.HostAssembler.MAP_1;
import static dev.vesper.machine.cpu.emit.HostAssembler.R11;
import static dev.vesper.machine.cpu.emit.HostAssembler.R13;
import static dev.vesper.machine.cpu.emit.HostAssembler.R14;
import static dev.vesper.machine.cpu.emit.HostAssembler.R15;
import static dev.vesper.machine.cpu.emit.HostAssembler.RAX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RCX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RDI;
import static dev.vesper.machine.cpu.emit.HostAssembler.RSI;

import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.NativeState;
import dev.vesper.machine.memory.Page;
import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.OperandSpec;
import dev.vesper.x86.Operation;

/**
 * MOVS and STOS in 64-bit code. A repeated one does what the interpreter does at a time: as many
 * elements as lie in one page, if these are at least two; what is left is another execution. Guest
 * RSI, RDI and RAX are in the registers that the computer's instruction wants, guest RCX in R11.
 */
final class StringEmitter {
  private static final int BELOW = 2;
  private static final int EQUAL = 4;

  private final BlockEmitter e;
  private final HostAssembler a;

  StringEmitter(BlockEmitter e) {
    this.e = e;
    a = e.a;
  }

  /** {@return whether the instruction was emitted} */
  boolean emit(Insn in) {
    boolean moves = in.operation() == Operation.MOVS;
    boolean otherSegment = in.segOverride == CpuState.FS || in.segOverride == CpuState.GS;
    if (e.bits() != 64 || in.asize != 8 || moves && otherSegment) {
      return false;
    }
    int n = elementSize(in);
    a.state(NativeState.STRING_CHECK).load(RCX);
    e.missUnlessZero();
    if ((in.rep || in.repne) && e.index() == 0) {
      missIfResumed();
    }
    if (moves) {
      a.move(R13, RSI);
      e.lookUp(n, false);
      a.memory(R13, R14, 0, 0).lea(R14);
      a.state(NativeState.TEMPORARY).store(R14);
    }
    a.move(R13, RDI);
    e.lookUp(n, true);
    if (in.rep || in.repne) {
      repeated(moves, n);
    } else {
      single(moves, n);
    }
    return true;
  }

  /** RFLAGS.RF stays set while a repeated instruction goes on behind an IRET. */
  private void missIfResumed() {
    a.state(NativeState.RESUME).load(RCX);
    // NOT RCX: the negative less 1. The block's instructions are off the budget already.
    a.register(RCX).legacy(0, false, true, MAP_1, 0xF7, 2, false);
    a.memory(RCX, R15, 0, 1 + e.length()).lea(RCX);
    int resumed = a.jrcxz();
    int on = a.jmp();
    a.bind8(resumed);
    e.miss();
    a.bind32(on, a.position());
  }

  private static int elementSize(Insn in) {
    for (OperandSpec s : in.form().operands) {
      if (s.kind() == OperandKind.DESTINATION) {
        return s.bytes(in);
      }
    }
    throw new AssertionError("not a string instruction with a destination");
  }

  /** One element, whose destination has been found. */
  private void single(boolean moves, int n) {
    int value = RAX;
    if (moves) {
      value = RCX;
      a.state(NativeState.TEMPORARY).load(RCX);
      a.memory(RCX, 0).legacy(0, n == 2, n == 8, MAP_1, n == 1 ? 0x8A : 0x8B, RCX, n == 1);
      a.memory(RSI, n).lea(RSI);
    }
    e.found().legacy(0, n == 2, n == 8, MAP_1, n == 1 ? 0x88 : 0x89, value, n == 1);
    a.memory(RDI, n).lea(RDI);
    e.jumpTo(e.next());
  }

  /** As many as are in the page. TEMPORARY: where the source is in the computer's memory. */
  private void repeated(boolean moves, int n) {
    int shift = Integer.numberOfTrailingZeros(n);
    a.memory(R13, R14, 0, 0).lea(R14);
    // TEMPORARY_2 keeps flags.
    a.move(R13, RAX);
    a.flagsToAx();
    a.state(NativeState.TEMPORARY_2).store(RAX);
    a.move(RAX, R13);
    int samePage = -1;
    if (moves) {
      a.state(NativeState.TEMPORARY).load(R13);
      // XOR R13, R14; SHR R13, 12: 0 if both are in one page
      a.register(R13).legacy(0, false, true, MAP_1, 0x31, R14, false);
      a.register(R13).legacy(0, false, true, MAP_1, 0xC1, 5, false);
      a.b(12);
      samePage = a.jcc(EQUAL);
    }
    room(RDI, RCX, shift);
    if (moves) {
      room(RSI, R13, shift);
      least(RCX, R13);
    }
    least(RCX, R11);
    // CMP RCX, 2
    a.register(RCX).legacy(0, false, true, MAP_1, 0x83, 7, false);
    a.b(2);
    int few = a.jcc(BELOW);
    int same = samePage;
    e.outOfLine(
        () -> {
          a.bind32(few, a.position());
          if (same >= 0) {
            a.bind32(same, a.position());
          }
          restoreFlags();
          e.miss();
        });
    // SUB R11, RCX
    a.register(R11).legacy(0, false, true, MAP_1, 0x29, RCX, false);
    if (moves) {
      a.state(NativeState.TEMPORARY).load(R13);
      a.state(NativeState.TEMPORARY).store(RSI);
      a.move(RSI, R13);
    }
    a.move(R13, RDI);
    a.move(RDI, R14);
    a.b(0xF3);
    if (n == 2) {
      a.b(0x66);
    } else if (n == 8) {
      a.b(0x48);
    }
    a.b((moves ? 0xA4 : 0xAA) + (n == 1 ? 0 : 1));
    // RDI -= R14: how many bytes; then both addresses are moved by that
    a.register(RDI).legacy(0, false, true, MAP_1, 0x29, R14, false);
    if (moves) {
      a.state(NativeState.TEMPORARY).load(RSI);
      a.register(RSI).legacy(0, false, true, MAP_1, 0x01, RDI, false);
    }
    a.register(RDI).legacy(0, false, true, MAP_1, 0x01, R13, false);
    restoreFlags();
    a.move(RCX, R11);
    int done = a.jrcxz();
    e.link(a.jmp(), e.here());
    a.bind8(done);
    e.jumpTo(e.next());
  }

  /** {@code to = elements from an address to the end of its page}. */
  private void room(int address, int to, int shift) {
    a.constant(to, -1L);
    // XOR to, address: 4095 less the offset in the low twelve bits
    a.register(to).legacy(0, false, true, MAP_1, 0x31, address, false);
    a.register(to).legacy(0, false, false, MAP_1, 0x81, 4, false);
    a.d(Page.SIZE - 1);
    a.memory(to, 1).lea(to);
    if (shift > 0) {
      a.register(to).legacy(0, false, true, MAP_1, 0xC1, 5, false);
      a.b(shift);
    }
  }

  /** {@code to = min(to, other)}, unsigned. */
  private void least(int to, int other) {
    a.register(other).legacy(0, false, true, MAP_1, 0x3B, to, false);
    // CMP to, other; CMOVA to, other
    a.register(other).legacy(0, false, true, MAP_0F, 0x47, to, false);
  }

  private void restoreFlags() {
    a.move(R13, RAX);
    a.state(NativeState.TEMPORARY_2).load(RAX);
    a.flagsFromAx();
    a.move(RAX, R13);
  }
}
