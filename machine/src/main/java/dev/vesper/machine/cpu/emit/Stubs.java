package dev.vesper.machine.cpu.emit;

import static dev.vesper.machine.cpu.emit.HostAssembler.MAP_0F;
import static dev.vesper.machine.cpu.emit.HostAssembler.MAP_0F3A;
import static dev.vesper.machine.cpu.emit.HostAssembler.MAP_1;
import static dev.vesper.machine.cpu.emit.HostAssembler.R11;
import static dev.vesper.machine.cpu.emit.HostAssembler.R12;
import static dev.vesper.machine.cpu.emit.HostAssembler.R13;
import static dev.vesper.machine.cpu.emit.HostAssembler.R14;
import static dev.vesper.machine.cpu.emit.HostAssembler.R15;
import static dev.vesper.machine.cpu.emit.HostAssembler.R8;
import static dev.vesper.machine.cpu.emit.HostAssembler.R9;
import static dev.vesper.machine.cpu.emit.HostAssembler.RAX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RBP;
import static dev.vesper.machine.cpu.emit.HostAssembler.RBX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RCX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RDI;
import static dev.vesper.machine.cpu.emit.HostAssembler.RDX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RSI;
import static dev.vesper.machine.cpu.emit.HostAssembler.RSP;

import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.NativeState;

/**
 * The ways into native code and out of it, which every code memory begins with. Registers are
 * exchanged with {@link CpuState#r}, vector registers with {@link CpuState#xmm} and {@link
 * CpuState#ymmh}, and these only if the code in between needs them.
 *
 * <p>While native code runs, bits 5:0 of the stack pointer are 12, so that it serves as the count
 * of shifts by the size of a page.
 */
final class Stubs {
  /** Where guest registers are while native code runs; those that are missing are in memory. */
  static final int[] HOST = {
    RAX, R11, RDX, RBX, R12, RBP, RSI, RDI, R8, R9, 10, -1, -1, -1, -1, -1
  };

  private static final int VECTORS = 16;

  private final HostAssembler a;

  /** Offsets in the stubs' code. */
  final int enter;

  final int leave;
  final int loadVectors;
  final int loadVectorsAndGo;

  /** Writes the stubs; their offsets count from the assembler's present position. */
  Stubs(HostAssembler a) {
    this.a = a;
    enter = a.position();
    enter();
    leave = a.position();
    leave();
    loadVectors = a.position();
    loadVectors();
    loadVectorsAndGo = a.position();
    loadVectorsAndGo();
  }

  private static int slot(int guest) {
    return NativeState.R11 + 8 * (guest - 11);
  }

  /** Loads a register from an entry of the array that RDI points to. */
  private void in(int reg, int entry) {
    a.memory(RDI, 8 * entry).load(reg);
  }

  private void inToState(int entry, int offset) {
    in(RAX, entry);
    a.state(offset).store(RAX);
  }

  /** Arguments: RDI registers, RSI xmm, RDX ymmh, RCX target. */
  private void enter() {
    for (int r : new int[] {RBX, RBP, R12, R13, R14, R15}) {
      push(r);
    }
    a.state(NativeState.REGISTERS).store(RDI);
    a.state(NativeState.XMM).store(RSI);
    a.state(NativeState.YMM).store(RDX);
    a.state(NativeState.STACK).store(RSP);
    a.state(NativeState.TARGET).store(RCX);
    // AND RSP, -64; LEA RSP, [RSP - 52]
    a.register(RSP).legacy(0, false, true, MAP_1, 0x83, 4, false);
    a.b(-64);
    a.memory(RSP, -52).lea(RSP);
    for (int g = 11; g < 16; g++) {
      inToState(g, slot(g));
    }
    inToState(CpuState.PAGE, NativeState.PAGE);
    inToState(NativeState.IN_FS_BASE, NativeState.FS_BASE);
    inToState(NativeState.IN_GS_BASE, NativeState.GS_BASE);
    inToState(NativeState.IN_SSE, NativeState.SSE);
    inToState(NativeState.IN_AVX, NativeState.AVX);
    inToState(NativeState.IN_FS_CHECK, NativeState.FS_CHECK);
    inToState(NativeState.IN_GS_CHECK, NativeState.GS_CHECK);
    for (int i = NativeState.IN_EFLAGS; i <= NativeState.IN_RESUME; i++) {
      inToState(i, NativeState.EFLAGS + 8 * (i - NativeState.IN_EFLAGS));
    }
    in(RAX, NativeState.IN_MXCSR);
    a.state(NativeState.MXCSR).store32(RAX);
    in(R15, NativeState.IN_BUDGET);
    in(RAX, NativeState.IN_FLAGS);
    a.flagsFromAx();
    for (int g = 0; g < 11; g++) {
      if (HOST[g] != RDI) {
        in(HOST[g], g);
      }
    }
    in(RDI, 7);
    a.state(NativeState.TARGET).legacy(0, false, false, MAP_1, 0xFF, 4, false);
  }

  private void push(int r) {
    if (r >= 8) {
      a.b(0x41);
    }
    a.b(0x50 + (r & 7));
  }

  private void pop(int r) {
    if (r >= 8) {
      a.b(0x41);
    }
    a.b(0x58 + (r & 7));
  }

  private void out(int reg, int entry) {
    a.memory(RCX, 8 * entry).store(reg);
  }

  private void outOfState(int offset, int entry) {
    a.state(offset).load(RAX);
    out(RAX, entry);
  }

  /** ECX: why. */
  private void leave() {
    a.state(NativeState.EXIT).store(RCX);
    a.state(NativeState.REGISTERS).load(RCX);
    for (int g = 0; g < 11; g++) {
      out(HOST[g], g);
    }
    a.flagsToAx();
    out(RAX, NativeState.IN_FLAGS);
    out(R15, NativeState.IN_BUDGET);
    for (int g = 11; g < 16; g++) {
      a.state(slot(g)).load(RAX);
      out(RAX, g);
    }
    outOfState(NativeState.PAGE, CpuState.PAGE);
    outOfState(NativeState.RIP, NativeState.IN_RIP);
    outOfState(NativeState.EFLAGS, NativeState.IN_EFLAGS);
    outOfState(NativeState.FS_BASE, NativeState.IN_FS_BASE);
    outOfState(NativeState.GS_BASE, NativeState.IN_GS_BASE);
    outOfState(NativeState.SHADOW, NativeState.IN_SHADOW);
    outOfState(NativeState.KERNEL_GS_BASE, NativeState.IN_KERNEL_GS_BASE);
    outOfState(NativeState.RESUME, NativeState.IN_RESUME);
    a.state(NativeState.SSE).load(RCX);
    int loaded = a.jrcxz();
    int skip = a.jmp();
    a.bind8(loaded);
    storeVectors();
    a.bind32(skip, a.position());
    a.state(NativeState.EXIT).load(RAX);
    a.state(NativeState.STACK).load(RSP);
    for (int r : new int[] {R15, R14, R13, R12, RBP, RBX}) {
      pop(r);
    }
    a.b(0xC3);
  }

  private void storeVectors() {
    a.state(NativeState.YMM).load(RCX);
    for (int v = 0; v < VECTORS; v++) {
      // VEXTRACTF128 [RCX + 16 v], YMMv, 1
      a.memory(RCX, 16 * v).vex(1, MAP_0F3A, false, true, 0x19, v, 0);
      a.b(1);
    }
    a.state(NativeState.XMM).load(RCX);
    for (int v = 0; v < VECTORS; v++) {
      a.memory(RCX, 16 * v).vex(0, MAP_0F, false, false, 0x11, v, 0);
    }
    a.state(NativeState.MXCSR).legacy(0, false, false, MAP_0F, 0xAE, 3, false);
    a.state(NativeState.HOST_MXCSR).legacy(0, false, false, MAP_0F, 0xAE, 2, false);
    a.state(NativeState.MXCSR).load32(RAX);
    a.state(NativeState.REGISTERS).load(RCX);
    out(RAX, NativeState.IN_MXCSR);
    // VZEROUPPER
    a.register(0);
    a.b(0xC5);
    a.b(0xF8);
    a.b(0x77);
  }

  /** Called: uses RCX, and changes no flags. */
  private void loadVectors() {
    a.state(NativeState.HOST_MXCSR).legacy(0, false, false, MAP_0F, 0xAE, 3, false);
    a.state(NativeState.XMM).load(RCX);
    for (int v = 0; v < VECTORS; v++) {
      a.memory(RCX, 16 * v).vex(0, MAP_0F, false, false, 0x10, v, 0);
    }
    a.state(NativeState.YMM).load(RCX);
    for (int v = 0; v < VECTORS; v++) {
      // VINSERTF128 YMMv, YMMv, [RCX + 16 v], 1
      a.memory(RCX, 16 * v).vex(1, MAP_0F3A, false, true, 0x18, v, v);
      a.b(1);
    }
    a.state(NativeState.MXCSR).legacy(0, false, false, MAP_0F, 0xAE, 2, false);
    a.state(NativeState.SSE).storeConstant(NativeState.LOADED);
    // AVX: from LOADABLE to LOADED; what is forbidden stays so.
    a.state(NativeState.AVX).load(RCX);
    a.memory(RCX, -NativeState.LOADABLE).lea(RCX);
    int loadable = a.jrcxz();
    a.b(0xC3);
    a.bind8(loadable);
    a.state(NativeState.AVX).storeConstant(NativeState.LOADED);
    a.b(0xC3);
  }

  /** Loads vector registers and goes to the address in {@link NativeState#TEMPORARY_2}. */
  private void loadVectorsAndGo() {
    a.b(0xE8);
    a.d(loadVectors - a.position() - 4);
    a.state(NativeState.TEMPORARY_2).legacy(0, false, false, MAP_1, 0xFF, 4, false);
  }
}
