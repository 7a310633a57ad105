package dev.vesper.machine.cpu.emit;

import static dev.vesper.machine.cpu.emit.HostAssembler.MAP_1;
import static dev.vesper.machine.cpu.emit.HostAssembler.R13;
import static dev.vesper.machine.cpu.emit.HostAssembler.R14;
import static dev.vesper.machine.cpu.emit.HostAssembler.RAX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RCX;

import dev.vesper.x86.Insn;
import dev.vesper.x86.Opcode;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.OperandSpec;
import dev.vesper.x86.Operation;

/**
 * Moves and conversions that are not written again as they are: their register is in the opcode,
 * their address is not an access, or the computer would lock its bus.
 */
final class Moves {
  private final BlockEmitter e;
  private final Reencoder reencoder;
  private final HostAssembler a;

  Moves(BlockEmitter e, Reencoder reencoder) {
    this.e = e;
    this.reencoder = reencoder;
    a = e.a;
  }

  /** {@return whether the instruction was emitted} */
  boolean emit(Insn in) {
    Opcode form = in.form();
    OperandKind first = form.operands.isEmpty() ? OperandKind.ONE : form.operands.get(0).kind();
    return switch (form.operation) {
      case LEA -> lea(in);
      case XCHG -> first == OperandKind.OPCODE_REGISTER ? exchangeAccumulator(in) : exchange(in);
      case MOV ->
          first == OperandKind.OPCODE_REGISTER
              ? moveConstant(in)
              : Traits.of(form).usesOffset() ? moveOffset(in) : reencoder.emit(in);
      case INC, DEC ->
          first == OperandKind.OPCODE_REGISTER
              ? step(in, form.operation == Operation.DEC)
              : reencoder.emit(in);
      case BSWAP -> byteSwap(in);
      default -> plain(in);
    };
  }

  /** CBW to CQO, LAHF, SAHF, CLC, STC, CMC: the accumulator's and flags alone. */
  private boolean plain(Insn in) {
    String m = in.mnemonic();
    int opcode =
        switch (m) {
          case "cbw", "cwde", "cdqe" -> 0x98;
          case "cwd", "cdq", "cqo" -> 0x99;
          case "sahf" -> 0x9E;
          case "lahf" -> 0x9F;
          case "cmc" -> 0xF5;
          case "clc" -> 0xF8;
          default -> 0xF9;
        };
    boolean sized = opcode < 0x9E;
    reencoder.accumulator(sized && in.osize == 2, sized && in.osize == 8, opcode);
    return true;
  }

  private boolean lea(Insn in) {
    if (!e.effectiveAddress(in)) {
      return false;
    }
    if (in.osize == 2) {
      int to = e.registerOr(in.reg, RCX);
      a.register(R13).legacy(0, true, false, MAP_1, 0x8B, to, false);
      if (e.inMemory(in.reg)) {
        a.state(BlockEmitter.slot(in.reg)).store(to);
      }
      return true;
    }
    if (in.osize == 4) {
      a.register(R13).load32(R13);
    }
    e.set(in.reg, R13);
    return true;
  }

  private static int bytes(Insn in, OperandSpec s) {
    return Math.max(1, s.bytes(in));
  }

  /** XCHG with memory would lock the bus, which is slow and needless. */
  private boolean exchange(Insn in) {
    OperandSpec rm = in.form().operands.get(0);
    OperandSpec reg = in.form().operands.get(1);
    int n = bytes(in, rm);
    if (in.mem) {
      if (!e.linearAddress(in)) {
        return false;
      }
      e.lookUp(n, true);
      if (reencoder.needsSpare(in, in.reg, reg)) {
        int spare = reencoder.take(in, in.reg, reg, RCX, true);
        e.found().legacy(0, n == 2, n == 8, MAP_1, n == 1 ? 0x86 : 0x87, spare, n == 1);
        reencoder.putBack(in, in.reg, reg, spare);
        return true;
      }
      int host = BlockEmitter.host(in.reg);
      e.found().legacy(0, n == 2, n == 8, MAP_1, n == 1 ? 0x8A : 0x8B, RCX, n == 1);
      e.found().legacy(0, n == 2, n == 8, MAP_1, n == 1 ? 0x88 : 0x89, host, n == 1);
      a.register(RCX).legacy(0, n == 2, n == 8, MAP_1, n == 1 ? 0x8A : 0x8B, host, n == 1);
      return true;
    }
    int first = reencoder.take(in, in.rm, rm, RCX, true);
    int second = reencoder.take(in, in.reg, reg, R13, true);
    a.register(first).legacy(0, n == 2, n == 8, MAP_1, n == 1 ? 0x86 : 0x87, second, n == 1);
    reencoder.putBack(in, in.reg, reg, second == R13 ? R13 : -1);
    reencoder.putBack(in, in.rm, rm, first == RCX ? RCX : -1);
    return true;
  }

  private boolean exchangeAccumulator(Insn in) {
    int host = e.registerOr(in.rm, RCX);
    a.register(host).legacy(0, in.osize == 2, in.osize == 8, MAP_1, 0x87, RAX, false);
    if (e.inMemory(in.rm)) {
      a.state(BlockEmitter.slot(in.rm)).store(host);
    }
    return true;
  }

  private boolean moveConstant(Insn in) {
    int n = in.form().operands.get(0).bytes(in);
    OperandSpec reg = in.form().operands.get(0);
    if (n >= 4) {
      long v = n == 4 ? in.imm & 0xFFFF_FFFFL : in.imm;
      if (!e.inMemory(in.rm)) {
        a.constant(BlockEmitter.host(in.rm), v);
      } else if (v == (int) v) {
        a.state(BlockEmitter.slot(in.rm)).storeConstant((int) v);
      } else {
        a.constant(RCX, v);
        a.state(BlockEmitter.slot(in.rm)).store(RCX);
      }
      return true;
    }
    boolean spare = reencoder.needsSpare(in, in.rm, reg);
    int host = reencoder.take(in, in.rm, reg, RCX, true);
    a.register(host).legacy(0, n == 2, false, MAP_1, n == 1 ? 0xC6 : 0xC7, 0, n == 1);
    a.b((int) in.imm);
    if (n == 2) {
      a.b((int) in.imm >> 8);
    }
    reencoder.putBack(in, in.rm, reg, spare ? host : -1);
    return true;
  }

  /** The accumulator from memory, or to it, at an address in the instruction. */
  private boolean moveOffset(Insn in) {
    boolean load = in.form().operands.get(1).kind() == OperandKind.OFFSET;
    int n = bytes(in, in.form().operands.get(load ? 1 : 0));
    int segment = in.segOverride < 0 ? dev.vesper.machine.cpu.CpuState.DS : in.segOverride;
    if (in.asize == 2) {
      return false;
    }
    a.constant(R13, in.disp);
    if (!e.segmented(segment)) {
      return false;
    }
    e.lookUp(n, !load);
    int opcode = load ? 0x8A : 0x88;
    e.found().legacy(0, n == 2, n == 8, MAP_1, n == 1 ? opcode : opcode + 1, RAX, n == 1);
    return true;
  }

  private boolean step(Insn in, boolean down) {
    int host = e.registerOr(in.rm, R14);
    int digit = down ? 1 : 0;
    a.register(host).legacy(0, in.osize == 2, in.osize == 8, MAP_1, 0xFF, digit, false);
    if (e.inMemory(in.rm)) {
      a.state(BlockEmitter.slot(in.rm)).store(host);
    }
    return true;
  }

  private boolean byteSwap(Insn in) {
    if (in.osize == 2) {
      return false;
    }
    int host = e.registerOr(in.rm, RCX);
    int rex = (in.osize == 8 ? 8 : 0) | (host >= 8 ? 1 : 0);
    if (rex != 0) {
      a.b(0x40 | rex);
    }
    a.b(0x0F);
    a.b(0xC8 + (host & 7));
    if (e.inMemory(in.rm)) {
      a.state(BlockEmitter.slot(in.rm)).store(host);
    }
    return true;
  }
}
