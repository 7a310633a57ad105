package dev.vesper.machine.cpu.emit;

import static dev.vesper.machine.cpu.emit.HostAssembler.MAP_0F;
import static dev.vesper.machine.cpu.emit.HostAssembler.MAP_1;
import static dev.vesper.machine.cpu.emit.HostAssembler.R12;
import static dev.vesper.machine.cpu.emit.HostAssembler.R13;
import static dev.vesper.machine.cpu.emit.HostAssembler.R14;
import static dev.vesper.machine.cpu.emit.HostAssembler.R15;
import static dev.vesper.machine.cpu.emit.HostAssembler.RAX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RCX;

import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.NativeState;
import dev.vesper.x86.Insn;

/**
 * IRET of 64-bit code at CPL 0 to the same code and stack segments, as after an interrupt of a
 * kernel, with no change of RFLAGS but the arithmetic flags, IF, and RF, which the processor sees
 * to as long as it matters. Descriptors are read again and compared: whoever has changed the GDT
 * gets the interpreter's.
 */
final class ReturnEmitter {
  /** The TLB of supervisors' accesses, which those of the processor itself are too. */
  private static final int SUPERVISOR = 0;

  // The frame (AMD APM volume 2, 8.9.3).
  private static final int CODE = 8;
  private static final int FLAGS = 16;
  private static final int STACK_POINTER = 24;
  private static final int STACK = 32;
  private static final int FRAME_BYTES = 40;

  /** What IRET at CPL 0 may change and this one does not. */
  private static final long SAME =
      CpuState.TF
          | CpuState.DF
          | CpuState.IOPL
          | CpuState.NT
          | CpuState.AC
          | CpuState.VIF
          | CpuState.VIP
          | CpuState.ID;

  private static final int OF_SHIFT = 11;

  /** SF ZF AF PF CF as SAHF takes them in AX. */
  private static final int IN_AH = 0xD500;

  private final BlockEmitter e;
  private final HostAssembler a;

  ReturnEmitter(BlockEmitter e) {
    this.e = e;
    a = e.a;
  }

  /** {@return whether the instruction was emitted} */
  boolean emit(Insn in) {
    if (in.osize != 8 || e.kind() != SUPERVISOR) {
      return false;
    }
    a.state(NativeState.RETURN_CHECK).load(RCX);
    e.missUnlessZero();
    a.move(R13, R12);
    e.lookUp(FRAME_BYTES, false);
    a.memory(R14, R13, 0, 0).lea(R14);
    selector(CODE, NativeState.RETURN_CS);
    selector(STACK, NativeState.RETURN_SS);
    sameFlags();
    keep(0, NativeState.TEMPORARY);
    keep(STACK_POINTER, NativeState.TEMPORARY_2);
    keep(FLAGS, NativeState.KEPT_FLAGS);
    descriptor(NativeState.RETURN_CS_AT, NativeState.RETURN_CS_IS);
    descriptor(NativeState.RETURN_SS_AT, NativeState.RETURN_SS_IS);
    a.state(NativeState.TEMPORARY).load(R13);
    e.lookUpJump();
    a.state(NativeState.TEMPORARY_2).load(R12);
    takeFlags();
    e.jump();
    return true;
  }

  /** A selector of the frame, at R14, is one whose negative a word of the state block has. */
  private void selector(int offset, int word) {
    a.memory(R14, offset).legacy(0, false, false, MAP_0F, 0xB7, RCX, false);
    equalsNegative(word);
  }

  /** The sum of RCX and a word of the state block is zero. */
  private void equalsNegative(int word) {
    a.state(word).load(R13);
    a.memory(RCX, R13, 0, 0).lea(RCX);
    e.missUnlessZero();
  }

  private void sameFlags() {
    a.memory(R14, FLAGS).load32(RCX);
    a.constant(R13, SAME);
    a.register(R13).pext(RCX, RCX);
    a.state(NativeState.TEMPORARY).store(RCX);
    a.state(NativeState.EFLAGS).load(RCX);
    a.register(R13).pext(R13, RCX);
    a.state(NativeState.TEMPORARY).load(RCX);
    // NOT R13: the negative less 1.
    a.register(R13).legacy(0, false, true, MAP_1, 0xF7, 2, false);
    a.memory(RCX, R13, 0, 1).lea(RCX);
    e.missUnlessZero();
  }

  private void keep(int offset, int word) {
    a.memory(R14, offset).load(RCX);
    a.state(word).store(RCX);
  }

  private void descriptor(int at, int is) {
    a.state(at).load(R13);
    e.lookUp(8, false);
    e.found().load(RCX);
    equalsNegative(is);
  }

  /** Takes IF and the arithmetic flags of the frame. From here on flags are free. */
  private void takeFlags() {
    a.state(NativeState.KEPT_RAX).store(RAX);
    a.state(NativeState.EFLAGS).load(RAX);
    and(RAX, ~CpuState.IF);
    a.state(NativeState.KEPT_FLAGS).load(RCX);
    and(RCX, CpuState.IF);
    or();
    a.state(NativeState.EFLAGS).store(RAX);
    a.state(NativeState.KEPT_FLAGS).load(RCX);
    and(RCX, CpuState.RF);
    int off = a.jecxz();
    a.state(NativeState.RESUME).store(R15);
    a.bind8(off);
    a.state(NativeState.KEPT_FLAGS).load(RCX);
    a.move(RAX, RCX);
    shift(5, RCX, OF_SHIFT);
    and(RCX, 1);
    shift(4, RAX, Byte.SIZE);
    and(RAX, IN_AH);
    or();
    a.flagsFromAx();
    a.state(NativeState.KEPT_RAX).load(RAX);
  }

  /** AND of a 32-bit register and a constant. */
  private void and(int reg, int value) {
    a.register(reg).legacy(0, false, false, MAP_1, 0x81, 4, false);
    a.d(value);
  }

  /** SHL (4) or SHR (5) of a 32-bit register. */
  private void shift(int digit, int reg, int count) {
    a.register(reg).legacy(0, false, false, MAP_1, 0xC1, digit, false);
    a.b(count);
  }

  /** OR EAX, ECX. */
  private void or() {
    a.register(RCX).legacy(0, false, false, MAP_1, 0x0B, RAX, false);
  }
}
