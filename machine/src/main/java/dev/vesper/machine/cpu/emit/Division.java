package dev.vesper.machine.cpu.emit;

import static dev.vesper.machine.cpu.emit.HostAssembler.MAP_1;
import static dev.vesper.machine.cpu.emit.HostAssembler.R13;
import static dev.vesper.machine.cpu.emit.HostAssembler.R14;
import static dev.vesper.machine.cpu.emit.HostAssembler.RAX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RCX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RDX;

import dev.vesper.x86.Insn;

/**
 * DIV and IDIV of 32 and 64 bits. The computer must never raise #DE: code that divides by zero, or
 * whose quotient may not fit, is left to the interpreter.
 */
final class Division {
  private static final int ABOVE_OR_EQUAL = 3;
  private static final int NOT_EQUAL = 5;
  private static final int BELOW_OR_EQUAL = 6;

  private final BlockEmitter e;
  private final HostAssembler a;

  Division(BlockEmitter e) {
    this.e = e;
    a = e.a;
  }

  /** {@return whether the instruction was emitted} */
  boolean emit(Insn in) {
    int n = in.form().operands.get(0).bytes(in);
    if (n < 4) {
      return false;
    }
    boolean w = n == 8;
    boolean signed = in.mnemonic().equals("idiv");
    if (in.mem) {
      if (!e.linearAddress(in)) {
        return false;
      }
      e.lookUp(n, false);
      e.found().legacy(0, false, w, MAP_1, 0x8B, RCX, false);
    } else {
      e.get(RCX, in.rm);
    }
    // R14 keeps flags.
    a.move(R13, RAX);
    a.flagsToAx();
    a.move(R14, RAX);
    a.move(RAX, R13);
    int bad;
    if (signed) {
      // The dividend is a number of n bytes, and the divisor neither 0 nor -1.
      a.register(R13).legacy(0, false, w, MAP_1, 0xC1, 7, false);
      a.b(w ? 63 : 31);
      a.register(RDX).legacy(0, false, w, MAP_1, 0x3B, R13, false);
      bad = a.jcc(NOT_EQUAL);
      a.memory(RCX, 1);
      a.lea(R13, w);
      a.register(R13).legacy(0, false, w, MAP_1, 0x83, 7, false);
      a.b(1);
      int bad2 = a.jcc(BELOW_OR_EQUAL);
      restoreElsewhere(bad, bad2);
    } else {
      a.register(RCX).legacy(0, false, w, MAP_1, 0x3B, RDX, false);
      bad = a.jcc(ABOVE_OR_EQUAL);
      restoreElsewhere(bad, -1);
    }
    restore();
    a.register(RCX).legacy(0, false, w, MAP_1, 0xF7, signed ? 7 : 6, false);
    return true;
  }

  private void restoreElsewhere(int one, int two) {
    e.outOfLine(
        () -> {
          a.bind32(one, a.position());
          if (two >= 0) {
            a.bind32(two, a.position());
          }
          restore();
          e.miss();
        });
  }

  /** Flags from R14; RAX as it was. */
  private void restore() {
    a.move(R13, RAX);
    a.move(RAX, R14);
    a.flagsFromAx();
    a.move(RAX, R13);
  }
}
