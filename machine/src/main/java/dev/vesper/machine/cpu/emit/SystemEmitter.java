package dev.vesper.machine.cpu.emit;

import static dev.vesper.machine.cpu.emit.HostAssembler.MAP_0F;
import static dev.vesper.machine.cpu.emit.HostAssembler.MAP_1;
import static dev.vesper.machine.cpu.emit.HostAssembler.R11;
import static dev.vesper.machine.cpu.emit.HostAssembler.R13;
import static dev.vesper.machine.cpu.emit.HostAssembler.R14;
import static dev.vesper.machine.cpu.emit.HostAssembler.R15;
import static dev.vesper.machine.cpu.emit.HostAssembler.RAX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RCX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RDX;

import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.NativeState;
import dev.vesper.x86.Insn;

/** What kernels do all the time: the time, the flags, segment registers and their bases. */
final class SystemEmitter {
  /** Bits of a linear address on every processor; on those that have more some are left out. */
  private static final int CANONICAL = 48;

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
      case "rdtsc" -> readTime(NativeState.TSC_CHECK);
      case "rdtscp" -> {
        boolean done = readTime(NativeState.TSCP_CHECK);
        a.state(NativeState.TSC_AUX).load(R11);
        yield done;
      }
      case "pushf" -> pushFlags(in);
      case "cli" -> {
        check(NativeState.CLI_CHECK);
        change(NativeState.EFLAGS, CpuState.IF, false);
        yield true;
      }
      case "sti" -> enableInterrupts();
      case "cld", "std" -> {
        boolean on = in.mnemonic().equals("std");
        change(NativeState.EFLAGS, CpuState.DF, on);
        change(NativeState.STRING_CHECK, CpuState.DF, on);
        yield true;
      }
      case "rdfsbase" -> readBase(in, NativeState.FS_BASE);
      case "rdgsbase" -> readBase(in, NativeState.GS_BASE);
      case "wrfsbase" -> writeBase(in, NativeState.FS_BASE);
      case "wrgsbase" -> writeBase(in, NativeState.GS_BASE);
      case "swapgs" -> {
        check(NativeState.PRIVILEGE_CHECK);
        a.state(NativeState.GS_BASE).load(RCX);
        a.state(NativeState.KERNEL_GS_BASE).load(R13);
        a.state(NativeState.KERNEL_GS_BASE).store(RCX);
        a.state(NativeState.GS_BASE).store(R13);
        yield true;
      }
      case "mov" -> readSelector(in);
      default -> false;
    };
  }

  /** Goes on only if a word of the state block is zero. */
  private void check(int word) {
    a.state(word).load(RCX);
    e.missUnlessZero();
  }

  /** The counter is what it will be at the end of the budget, less what is left of that. */
  private boolean readTime(int mayBeRead) {
    if (e.index() != 0) {
      return false;
    }
    check(mayBeRead);
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

  /** Sets or clears one bit of a word. */
  private void change(int word, int bit, boolean on) {
    a.constant(R13, ~bit & 0xFFFF_FFFFL);
    a.state(word).load(RCX);
    a.keep(RCX, R13);
    if (on) {
      a.memory(RCX, bit).lea(RCX);
    }
    a.state(word).store(RCX);
  }

  /**
   * STI, which holds interrupts off until one more instruction is done only if it has not been set:
   * the processor compares what is left of the budget when native code is left.
   */
  private boolean enableInterrupts() {
    check(NativeState.STI_CHECK);
    a.constant(R13, CpuState.IF);
    a.state(NativeState.EFLAGS).load(RCX);
    a.register(R13).pext(RCX, RCX);
    int off = a.jrcxz();
    int on = a.jmp();
    a.bind8(off);
    a.state(NativeState.EFLAGS).load(RCX);
    a.memory(RCX, CpuState.IF).lea(RCX);
    a.state(NativeState.EFLAGS).store(RCX);
    a.state(NativeState.SHADOW).store(R15);
    a.bind32(on, a.position());
    return true;
  }

  private boolean readBase(Insn in, int word) {
    check(NativeState.BASE_CHECK);
    if (in.osize == 8) {
      a.state(word).load(R13);
    } else {
      a.state(word).load32(R13);
    }
    e.set(in.rm, R13);
    return true;
  }

  private boolean writeBase(Insn in, int word) {
    check(NativeState.BASE_CHECK);
    e.get(R13, in.rm);
    if (in.osize == 8) {
      // 0 or -1 if it is canonical
      a.constant(RCX, CANONICAL - 1);
      a.sarx(RCX, R13, RCX);
      a.memory(RCX, 1).lea(RCX);
      a.constant(R14, 1);
      a.shrx(RCX, RCX, R14);
      e.missUnlessZero();
    } else {
      a.register(R13).load32(R13);
    }
    a.state(word).store(R13);
    return true;
  }

  /** MOV of a segment register to a general one, or to memory, which takes 16 bits. */
  private boolean readSelector(Insn in) {
    int segment = in.reg & 7;
    if (segment > CpuState.GS || in.mem && !e.linearAddress(in)) {
      return false;
    }
    if (in.mem) {
      e.lookUp(2, true);
      selector(segment, RCX);
      e.found();
      store16(RCX);
      return true;
    }
    selector(segment, R13);
    if (in.osize > 2) {
      e.set(in.rm, R13);
    } else if (BlockEmitter.inMemory(in.rm)) {
      a.state(BlockEmitter.slot(in.rm));
      store16(R13);
    } else {
      a.register(BlockEmitter.host(in.rm));
      store16(R13);
    }
    return true;
  }

  private void store16(int from) {
    a.legacy(0, true, false, MAP_1, 0x89, from, false);
  }

  private void selector(int segment, int to) {
    a.state(NativeState.SELECTORS + 2 * segment).legacy(0, false, false, MAP_0F, 0xB7, to, false);
  }

  private boolean pushFlags(Insn in) {
    if (in.osize != 8) {
      return false;
    }
    check(NativeState.PUSHF_CHECK);
    stack.pushed();
    a.state(NativeState.TEMPORARY).store(R13);
    // PUSHFQ, POP RCX; then the arithmetic flags alone.
    a.b(0x9C);
    a.b(0x59);
    a.constant(R13, CpuState.ARITH);
    a.keep(RCX, R13);
    a.state(NativeState.EFLAGS).load(R13);
    a.memory(RCX, R13, 0, 0).lea(RCX);
    a.state(NativeState.TEMPORARY).load(R13);
    e.found().store(RCX);
    stack.move(-8);
    return true;
  }
}
