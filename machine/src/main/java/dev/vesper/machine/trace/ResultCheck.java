package dev.vesper.machine.trace;

import dev.vesper.x86.Insn;
import java.util.Set;

/**
 * Follows EAX and CF behind PVALIDATE and RMPADJUST, to see whether the guest looks at them before
 * it loses them. What is stored, or goes on unseen for long, is given the benefit of the doubt.
 */
final class ResultCheck {
  /** Instructions after which CF is taken to have been seen. */
  private static final int WINDOW = 64;

  /** How often an instruction at one address is followed while its results are good. */
  private static final int MOST_AT_ONE_PLACE = 64;

  private static final Set<String> READ_CARRY =
      Set.of(
          "jb", "jae", "ja", "jbe", "setb", "setae", "seta", "setbe", "cmovb", "cmovae", "cmova",
          "cmovbe", "adc", "sbb", "rcl", "rcr", "lahf", "pushf", "cmc", "adcx");

  private static final Set<String> LOSE_CARRY =
      Set.of(
          "add",
          "sub",
          "cmp",
          "test",
          "and",
          "or",
          "xor",
          "neg",
          "shl",
          "shr",
          "sar",
          "rol",
          "ror",
          "shld",
          "shrd",
          "mul",
          "imul",
          "bt",
          "bts",
          "btr",
          "btc",
          "clc",
          "stc",
          "cmpxchg",
          "xadd",
          "popf",
          "sahf",
          "popcnt",
          "tzcnt",
          "lzcnt",
          "pvalidate",
          "rmpadjust",
          "rmpquery");

  private final AnswerCheck result = new AnswerCheck();
  private final PlaceCounts places = new PlaceCounts();
  private int carryLeft;

  /** Where the instruction is whose results are followed. */
  long rip;

  /** The page that it was about. */
  long gpa;

  /**
   * An instruction has been executed.
   *
   * @param at its address
   * @param page guest physical address
   * @param good it has succeeded
   * @param carry CF says something, and must be seen
   * @param set CF is set: EAX is 0 then
   */
  void begin(long at, long page, boolean good, boolean carry, boolean set) {
    stop();
    if (places.meet(at) > MOST_AT_ONE_PLACE && good && !set) {
      return;
    }
    rip = at;
    gpa = page;
    if (!set) {
      result.begin();
    }
    carryLeft = carry && good ? WINDOW : 0;
  }

  /** Something else comes between: nothing is said about what is lost there. */
  void stop() {
    result.stop();
    carryLeft = 0;
  }

  /** {@return whether instructions still matter} */
  boolean active() {
    return carryLeft > 0 || result.active();
  }

  /**
   * Looks at an instruction that is about to be executed.
   *
   * @param lostResult called when it loses EAX
   * @param lostCarry called when it loses CF
   */
  void step(Insn in, Runnable lostResult, Runnable lostCarry) {
    String what = in.mnemonic();
    if (carryLeft > 0) {
      carryLeft--;
      if (READ_CARRY.contains(what)) {
        carryLeft = 0;
      } else if (LOSE_CARRY.contains(what)) {
        carryLeft = 0;
        lostCarry.run();
      }
    }
    if (result.active()) {
      result.step(in, () -> {});
      if (result.lost()) {
        lostResult.run();
      }
    }
  }
}
