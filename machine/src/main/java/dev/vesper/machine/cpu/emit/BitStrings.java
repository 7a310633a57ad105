package dev.vesper.machine.cpu.emit;

import static dev.vesper.machine.cpu.emit.HostAssembler.MAP_0F;
import static dev.vesper.machine.cpu.emit.HostAssembler.R13;
import static dev.vesper.machine.cpu.emit.HostAssembler.R14;
import static dev.vesper.machine.cpu.emit.HostAssembler.RCX;

import dev.vesper.machine.cpu.NativeState;
import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandKind;

/**
 * BT, BTS, BTR and BTC of a bit of a string in memory, whose number a register has: the operand
 * lies where that number says, and the computer's instruction gets what is left of it.
 */
final class BitStrings {
  private final BlockEmitter e;
  private final HostAssembler a;

  BitStrings(BlockEmitter e) {
    this.e = e;
    a = e.a;
  }

  /** {@return whether an instruction is one of these} */
  static boolean isString(Insn in) {
    return in.mem && in.form().operands.get(1).kind() == OperandKind.REG;
  }

  /** {@return whether the instruction was emitted} */
  boolean emit(Insn in) {
    int n = in.osize;
    int bits = 8 * n;
    if (!e.effectiveAddress(in)) {
      return false;
    }
    number(in, n);
    // How many operands away it lies.
    a.constant(R14, Integer.numberOfTrailingZeros(bits));
    a.sarx(RCX, RCX, R14);
    a.memory(R13, RCX, Integer.numberOfTrailingZeros(n), 0);
    a.lea(R13, in.asize == 8);
    if (!e.segmented(in.segment())) {
      return false;
    }
    boolean writes = !in.mnemonic().equals("bt");
    e.lookUp(n, writes);
    number(in, n);
    // Its number in the operand.
    a.state(NativeState.TEMPORARY).storeConstant(bits - 1);
    a.state(NativeState.TEMPORARY).pext(RCX, RCX);
    int opcode =
        switch (in.mnemonic()) {
          case "bt" -> 0xA3;
          case "bts" -> 0xAB;
          case "btr" -> 0xB3;
          default -> 0xBB;
        };
    e.found().legacy(0, n == 2, n == 8, MAP_0F, opcode, RCX, false);
    return true;
  }

  /** {@code RCX = the number of the bit}, with its sign. */
  private void number(Insn in, int n) {
    e.get(RCX, in.reg);
    if (n == 4) {
      // MOVSXD
      a.register(RCX).legacy(0, false, true, HostAssembler.MAP_1, 0x63, RCX, false);
    } else if (n == 2) {
      a.register(RCX).legacy(0, false, true, MAP_0F, 0xBF, RCX, false);
    }
  }
}
