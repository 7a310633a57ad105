package dev.vesper.machine.cpu.emit;

import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.x86.Insn;
import dev.vesper.x86.Opcode;
import dev.vesper.x86.OperandKind;
import java.util.Set;
import java.util.function.Predicate;

/** Finds the emission of an instruction. */
final class InstructionEmitter {
  /** Features whose instructions are made of others: the computer need not have them. */
  private static final Set<String> EMULATED = Set.of("rdtscp", "fsgsbase");

  private final HostFeatures host;
  private final CpuFeatures guest;
  private final Reencoder reencoder;
  private final Moves moves;
  private final Division division;
  private final Transfers transfers;
  private final SystemEmitter system;
  private final ReturnEmitter returns;
  private final StringEmitter strings;
  private final BitStrings bits;
  private final WideExchange exchanges;

  private final BlockEmitter e;
  private final boolean tries;
  private final Encoding encoding = new Encoding();
  private final boolean forced = HostTrial.isForced();

  /**
   * @param tries whether undefined flags are made what guests' processors make of them
   */
  InstructionEmitter(BlockEmitter e, HostFeatures host, CpuFeatures guest, boolean tries) {
    this.e = e;
    this.tries = tries;
    this.host = host;
    this.guest = guest;
    reencoder = new Reencoder(e);
    moves = new Moves(e, reencoder);
    division = new Division(e);
    transfers = new Transfers(e);
    system = new SystemEmitter(e, transfers);
    returns = new ReturnEmitter(e);
    strings = new StringEmitter(e);
    bits = new BitStrings(e);
    exchanges = new WideExchange(e);
  }

  /**
   * Emits a valid instruction.
   *
   * @return false if it is left to the interpreter; what was written then means nothing
   */
  boolean emit(Insn in) {
    Opcode form = in.form();
    String feature = form.feature;
    if (in.evex) {
      return false;
    }
    if (feature != null && !guest.has(feature)) {
      String meant = form.otherwise;
      return meant != null && (meant.equals("bsf") || meant.equals("bsr")) && scan(in, meant);
    }
    if (feature != null && !EMULATED.contains(feature) && !host.has(feature)) {
      return false;
    }
    if (!tries || !HostTrial.concerns(form)) {
      return emitAsItIs(in);
    }
    encoding.parse(in);
    return emitByRule(in, form.mnemonic, this::emitAsItIs);
  }

  /** TZCNT or LZCNT where the guest's processor ignores the prefix and scans. */
  private boolean scan(Insn in, String meant) {
    if (!tries) {
      return reencoder.emitScan(in);
    }
    encoding.parse(in);
    encoding.prefix = 0;
    return emitByRule(in, meant, reencoder::emitScan);
  }

  /**
   * Emits an instruction that leaves flags undefined, and makes them what guests' processors do.
   *
   * @param mnemonic what {@link #encoding} is
   */
  private boolean emitByRule(Insn in, String mnemonic, Predicate<Insn> emission) {
    FlagRule rule = HostTrial.rule(in, encoding, mnemonic, forced);
    if (rule == null) {
      return false;
    }
    if (rule.isNone()) {
      return emission.test(in);
    }
    boolean byCl = HostTrial.countsByCl(in);
    e.keepFlags(byCl);
    if (!emission.test(in)) {
      return false;
    }
    e.applyRule(rule, byCl ? encoding.w ? 63 : 31 : 0);
    return true;
  }

  private boolean emitAsItIs(Insn in) {
    Opcode form = in.form();
    return switch (in.operation()) {
      case HINT -> true;
      case BT -> testBit(in);
      case MOV -> readsSelector(form) ? system.emit(in) : moves.emit(in);
      case LEA, XCHG, INC, DEC, BSWAP, CWDE, CDQE, CDQ, CQO -> moves.emit(in);
      case PUSH, POP, LEAVE, JMP, CALL, RET, JCC, JCXZ, LOOP, LOOPE, LOOPNE -> transfers.emit(in);
      case MOVS, STOS -> strings.emit(in);
      case OTHER ->
          switch (form.mnemonic) {
            case "pause", "rdtsc", "rdtscp", "pushf", "cli", "sti", "cld", "std" -> system.emit(in);
            case "rdfsbase", "rdgsbase", "wrfsbase", "wrgsbase", "swapgs" -> system.emit(in);
            case "iret" -> returns.emit(in);
            case "cmpxchg8b", "cmpxchg16b" -> exchanges.emit(in);
            case "bts", "btr", "btc" -> testBit(in);
            case "div", "idiv" -> division.emit(in);
            case "cbw", "cwd", "lahf", "sahf", "clc", "stc", "cmc" -> moves.emit(in);
            default -> reencoder.emit(in);
          };
      default -> reencoder.emit(in);
    };
  }

  private boolean testBit(Insn in) {
    return BitStrings.isString(in) ? bits.emit(in) : reencoder.emit(in);
  }

  private static boolean readsSelector(Opcode form) {
    return form.operands.get(1).kind() == OperandKind.SEGMENT;
  }
}
