package dev.vesper.machine.cpu.emit;

import static dev.vesper.machine.cpu.emit.HostAssembler.MAP_0F38;
import static dev.vesper.machine.cpu.emit.HostAssembler.MAP_1;
import static dev.vesper.machine.cpu.emit.HostAssembler.R13;
import static dev.vesper.machine.cpu.emit.HostAssembler.R15;
import static dev.vesper.machine.cpu.emit.HostAssembler.RAX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RCX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RDX;

import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.NativeState;
import dev.vesper.x86.Insn;

/** What kernels do all the time: the time, the flags. */
final class SystemEmitter {
  private final BlockEmitter e;
  private final Transfers stack;
  private final HostAssembler a;

  SystemEmitter(BlockEmitter e, Transfers stack) {
    this.e = e;
    this.stack = stack;
    a = e.a;
  }

  /** {@return whether the instruction was emitted} */
  boolean emit(Insn in) {
    return switch (in.mnemonic()) {
      case "pause" -> {
        check(NativeState.PAUSE_CHECK);
        yield true;
      }
      case "rdtsc" -> readTime();
      case "pushf" -> pushFlags(in);
      default -> false;
    };
  }

  /** Goes on only if a word of the state block is zero. */
  private void check(int word) {
    a.state(word).load(RCX);
    e.missUnlessZero();
  }

  /** The counter is what it will be at the end of the budget, less what is left of that. */
  private boolean readTime() {
    if (e.index() != 0) {
      return false;
    }
    check(NativeState.TSC_CHECK);
    a.state(NativeState.TSC).load(R13);
    a.move(RCX, R15);
    // NOT RCX: the negative less 1. The block's instructions are off the budget already.
    a.register(RCX).legacy(0, false, true, MAP_1, 0xF7, 2, false);
    a.memory(RCX, R13, 0, 1 - e.length()).lea(RCX);
    a.register(RCX).load32(RAX);
    a.rorx(RDX, RCX, 32);
    a.register(RDX).load32(RDX);
    return true;
  }

  private boolean pushFlags(Insn in) {
    if (in.osize != 8) {
      return false;
    }
    check(NativeState.PUSHF_CHECK);
    stack.pushed();
    a.state(NativeState.TEMPORARY).store(R13);
    // PUSHFQ, POP RCX; then the arithmetic flags alone, by PEXT and PDEP, which change none.
    a.b(0x9C);
    a.b(0x59);
    a.constant(R13, CpuState.ARITH);
    a.register(R13).vex(2, MAP_0F38, true, false, 0xF5, RCX, RCX);
    a.register(R13).vex(3, MAP_0F38, true, false, 0xF5, RCX, RCX);
    a.state(NativeState.EFLAGS).load(R13);
    a.memory(RCX, R13, 0, 0).lea(RCX);
    a.state(NativeState.TEMPORARY).load(R13);
    e.found().store(RCX);
    stack.move(-8);
    return true;
  }
}
