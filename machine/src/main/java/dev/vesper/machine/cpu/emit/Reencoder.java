package dev.vesper.machine.cpu.emit;

import static dev.vesper.machine.cpu.emit.HostAssembler.R13;
import static dev.vesper.machine.cpu.emit.HostAssembler.R14;
import static dev.vesper.machine.cpu.emit.HostAssembler.RCX;

import dev.vesper.x86.Insn;
import dev.vesper.x86.Opcode;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.OperandSize;
import dev.vesper.x86.OperandSpec;
import dev.vesper.x86.Operation;
import dev.vesper.x86.Reg;

/**
 * Writes an instruction again with the computer's registers and memory in place of the guest's:
 * what most instructions need, of integers and of vectors.
 */
final class Reencoder {
  private static final OperandSpec NO_OPERAND =
      new OperandSpec(OperandKind.ONE, OperandSize.OPEN, Reg.NONE, false);

  private final BlockEmitter e;
  private final HostAssembler a;
  private final Encoding encoding = new Encoding();
  private Traits traits = Traits.NONE;

  // Operands of the instruction at hand.
  private OperandSpec rm = NO_OPERAND;
  private OperandSpec reg = NO_OPERAND;
  private OperandSpec vvvv = NO_OPERAND;
  private OperandSpec memory = NO_OPERAND;
  private boolean vector;
  private boolean usesCl;
  private boolean withoutPrefix;

  Reencoder(BlockEmitter e) {
    this.e = e;
    a = e.a;
  }

  /** Emits TZCNT as BSF, or LZCNT as BSR: without the prefix. */
  boolean emitScan(Insn in) {
    withoutPrefix = true;
    boolean done = emit(in);
    withoutPrefix = false;
    return done;
  }

  /** {@return whether the instruction was emitted} */
  boolean emit(Insn in) {
    Opcode form = in.form();
    boolean narrowAddress = in.mem && in.asize == 2;
    traits = Traits.of(form);
    return !narrowAddress && traits.known() && operands(in, form) && emitOperands(in, form);
  }

  /** Finds out what the operands are; false if one is not for this class. */
  private boolean operands(Insn in, Opcode form) {
    rm = NO_OPERAND;
    reg = NO_OPERAND;
    vvvv = NO_OPERAND;
    memory = NO_OPERAND;
    vector = traits.emptiesVectors();
    usesCl = false;
    for (OperandSpec s : form.operands) {
      switch (s.kind()) {
        case RM, RM_REGISTER -> {
          if (in.mem) {
            memory = s;
          } else {
            rm = s;
          }
        }
        case MEMORY -> memory = s;
        case REG -> reg = s;
        case VVVV -> vvvv = s;
        case VECTOR, VECTOR_RM_REGISTER, VECTOR_VVVV -> vector = true;
        case VECTOR_RM -> {
          vector = true;
          if (in.mem) {
            memory = s;
          }
        }
        case VECTOR_IMMEDIATE -> {
          vector = true;
          if (in.bits != 64) {
            return false;
          }
        }
        case IMMEDIATE, ONE -> {
          // copied
        }
        case FIXED -> {
          switch (s.reg().name()) {
            case "al", "ax", "eax", "rax", "xmm0" -> {
              // the same register there
            }
            case "cl" -> usesCl = true;
            default -> {
              return false;
            }
          }
        }
        default -> {
          return false;
        }
      }
    }
    return true;
  }

  /** {@return whether an operand in memory might be in a general register instead} */
  private static boolean inGeneralRegister(OperandSpec s) {
    return s.kind() == OperandKind.RM;
  }

  private boolean emitOperands(Insn in, Opcode form) {
    encoding.parse(in);
    if (withoutPrefix) {
      encoding.prefix = 0;
    }
    if (in.bits != 64 && (rm != NO_OPERAND || reg != NO_OPERAND || inGeneralRegister(memory))) {
      // Outside 64-bit code the bit means nothing for general registers, nor for memory that stands
      // for one.
      encoding.w = false;
    }
    if (encoding.opcode == 0x82 && encoding.map == HostAssembler.MAP_1 && !encoding.vex) {
      // There is none in 64-bit code.
      encoding.opcode = 0x80;
    }
    boolean firstWritten = traits.firstWritten();
    if (vector) {
      e.needVectors(encoding.vex);
    }
    if (in.modrm < 0) {
      return withoutModrm(in);
    }
    if (in.mem) {
      int bytes = form.memBytes != 0 ? form.memBytes : memory.bytes(in);
      if (bytes == 0 || !e.linearAddress(in)) {
        return false;
      }
      if (vector && aligned(bytes)) {
        e.checkAlignment(bytes);
      }
      e.lookUp(bytes, firstWritten && form.operands.get(0) == memory);
    }
    // Spare registers, for guest registers that lie in memory or are the high byte of another.
    int[] spare = in.mem ? new int[] {RCX} : new int[] {RCX, R13, R14};
    int next = 0;
    if (usesCl) {
      if (in.mem && reg != NO_OPERAND && needsSpare(in, in.reg, reg)) {
        return false;
      }
      next = 1;
    }
    boolean set = traits.firstSet() && !withoutPrefix || vector;
    int rmHost = in.mem ? -1 : in.rm;
    int rmSpare = -1;
    if (rm != NO_OPERAND) {
      boolean load = !(set && rm == form.operands.get(0));
      if (needsSpare(in, in.rm, rm)) {
        rmSpare = spare[next++];
      }
      rmHost = take(in, in.rm, rm, rmSpare, load);
    }
    int regHost = in.reg;
    int regSpare = -1;
    if (reg != NO_OPERAND) {
      boolean load = !(set && reg == form.operands.get(0));
      if (needsSpare(in, in.reg, reg)) {
        if (next == spare.length) {
          return false;
        }
        regSpare = spare[next++];
      }
      regHost = take(in, in.reg, reg, regSpare, load);
    }
    int vHost = in.vvvv;
    int vSpare = -1;
    if (vvvv != NO_OPERAND) {
      if (e.inMemory(in.vvvv)) {
        // Where the first operand is only set, the sources are read before.
        if (next == spare.length && !(set && regSpare >= 0 && !form.mnemonic.equals("mulx"))) {
          return false;
        }
        vSpare = next == spare.length ? regSpare : spare[next];
      }
      vHost = take(in, in.vvvv, vvvv, vSpare, !form.mnemonic.equals("mulx"));
    }
    if (usesCl) {
      a.move(RCX, BlockEmitter.host(1));
    }
    if (in.mem) {
      e.found();
    } else {
      a.register(rmHost);
    }
    boolean byteRegister = width(rm, in) == 1 || width(reg, in) == 1 || width(memory, in) == 1;
    if (encoding.vex) {
      a.vex(
          encoding.pp, encoding.map, encoding.w, encoding.l, encoding.opcode, regHost, vHost & 15);
    } else {
      a.legacy(
          encoding.prefix,
          encoding.p66,
          encoding.w,
          encoding.map,
          encoding.opcode,
          regHost,
          byteRegister);
    }
    immediates(in);
    boolean exchange = form.operation == Operation.XADD;
    if (form.mnemonic.equals("mulx")) {
      // The high half is the one that stays where both have the same destination.
      putBack(in, in.vvvv, vvvv, vSpare);
      putBack(in, in.reg, reg, regSpare);
      return true;
    }
    if (vvvv != NO_OPERAND && vvvv == form.operands.get(0)) {
      putBack(in, in.vvvv, vvvv, vSpare);
    }
    if (exchange || firstWritten && reg != NO_OPERAND && reg == form.operands.get(0)) {
      putBack(in, in.reg, reg, regSpare);
    }
    if (exchange || firstWritten && rm != NO_OPERAND && rm == form.operands.get(0)) {
      putBack(in, in.rm, rm, rmSpare);
    }
    return true;
  }

  /** The accumulator and an immediate, or no operands at all. */
  private boolean withoutModrm(Insn in) {
    if (encoding.vex) {
      // VZEROUPPER, VZEROALL: of eight registers outside 64-bit code
      if (in.bits != 64) {
        return false;
      }
      a.b(0xC5);
      a.b(encoding.l ? 0xFC : 0xF8);
      a.b(encoding.opcode);
      return true;
    }
    if (rm != NO_OPERAND || reg != NO_OPERAND || encoding.map != HostAssembler.MAP_1) {
      return false;
    }
    accumulator(encoding.p66, encoding.w, encoding.opcode);
    immediates(in);
    return true;
  }

  /** An instruction that names no operand, or the accumulator alone. */
  void accumulator(boolean p66, boolean w, int opcode) {
    if (p66) {
      a.b(0x66);
    }
    if (w) {
      a.b(0x48);
    }
    a.b(opcode);
  }

  private void immediates(Insn in) {
    for (int i = encoding.tail; i < in.bytes.length; i++) {
      a.b(in.bytes[i]);
    }
  }

  private static int width(OperandSpec s, Insn in) {
    return s == NO_OPERAND ? 0 : s.bytes(in);
  }

  private boolean aligned(int bytes) {
    if (encoding.vex) {
      return traits.alignedWithVex();
    }
    return bytes == 16 && !traits.unaligned();
  }

  /** {@return whether a register of an operand is the high byte of another} */
  static boolean isHighByte(Insn in, int number, OperandSpec s) {
    return s.bytes(in) == 1 && in.rex == 0 && !in.vex && number >= 4 && number < 8;
  }

  boolean needsSpare(Insn in, int number, OperandSpec s) {
    return isHighByte(in, number, s) || e.inMemory(number);
  }

  /** {@return the host register of an operand, which is loaded into a spare one if need be} */
  int take(Insn in, int number, OperandSpec s, int spare, boolean load) {
    if (isHighByte(in, number, s)) {
      a.rorx(spare, BlockEmitter.host(number - 4), 8);
      return spare;
    }
    if (!e.inMemory(number)) {
      return BlockEmitter.host(number);
    }
    if (load || s.bytes(in) < 4) {
      a.state(BlockEmitter.slot(number)).load(spare);
    }
    return spare;
  }

  /** Puts a spare register back where it was taken from. */
  void putBack(Insn in, int number, OperandSpec s, int spare) {
    if (spare < 0) {
      return;
    }
    if (isHighByte(in, number, s)) {
      int host = BlockEmitter.host(number - 4);
      a.rorx(host, host, 8);
      // MOV of the low bytes
      a.register(spare).legacy(0, false, false, HostAssembler.MAP_1, 0x8A, host, true);
      a.rorx(host, host, 56);
      return;
    }
    a.state(BlockEmitter.slot(number)).store(spare);
  }
}
