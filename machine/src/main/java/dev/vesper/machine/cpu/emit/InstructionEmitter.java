package dev.vesper.machine.cpu.emit;

import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.x86.Insn;
import dev.vesper.x86.Opcode;

/** Finds the emission of an instruction. */
final class InstructionEmitter {
  private final HostFeatures host;
  private final CpuFeatures guest;
  private final Reencoder reencoder;
  private final Moves moves;
  private final Division division;
  private final Transfers transfers;
  private final SystemEmitter system;
  private final StringEmitter strings;

  InstructionEmitter(BlockEmitter e, HostFeatures host, CpuFeatures guest) {
    this.host = host;
    this.guest = guest;
    reencoder = new Reencoder(e);
    moves = new Moves(e, reencoder);
    division = new Division(e);
    transfers = new Transfers(e);
    system = new SystemEmitter(e, transfers);
    strings = new StringEmitter(e);
  }

  /**
   * Emits a valid instruction.
   *
   * @return false if it is left to the interpreter; what was written then means nothing
   */
  boolean emit(Insn in) {
    Opcode form = in.form();
    String feature = form.feature;
    if (in.evex || feature != null && !(guest.has(feature) && host.has(feature))) {
      return false;
    }
    if (host.differs(form)) {
      return false;
    }
    return switch (in.operation()) {
      case HINT -> true;
      case LEA, XCHG, MOV, INC, DEC, BSWAP, CWDE, CDQE, CDQ, CQO -> moves.emit(in);
      case PUSH, POP, LEAVE, JMP, CALL, RET, JCC, JCXZ, LOOP, LOOPE, LOOPNE -> transfers.emit(in);
      case MOVS, STOS -> strings.emit(in);
      case OTHER ->
          switch (form.mnemonic) {
            case "pause", "rdtsc", "pushf" -> system.emit(in);
            case "div", "idiv" -> division.emit(in);
            case "cbw", "cwd", "lahf", "sahf", "clc", "stc", "cmc" -> moves.emit(in);
            default -> reencoder.emit(in);
          };
      default -> reencoder.emit(in);
    };
  }
}
