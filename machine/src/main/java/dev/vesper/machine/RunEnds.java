package dev.vesper.machine;

import dev.vesper.machine.input.InputLog;
import dev.vesper.machine.input.RunEnd;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.vmm.RunLoop;
import org.jspecify.annotations.Nullable;

/** Ends of runs as recordings have them, and what outcomes they are. */
final class RunEnds {
  private static final String REPEATED = "rep";

  private RunEnds() {}

  /**
   * {@return how a run has ended}
   *
   * @param inTurn whether a vCPU stands in its turn
   * @param why the run has come back
   * @param o what is said of it
   */
  static RunEnd of(Machine m, boolean inTurn, RunLoop.Halt why, Outcome o, String traceDigest) {
    RunEnd.Cause cause =
        switch (why) {
          case REQUESTED -> RunEnd.Cause.REQUEST;
          case TIME_LIMIT -> RunEnd.Cause.TIME;
          default -> RunEnd.Cause.MACHINE;
        };
    RunEnd recorded = m.inputs().recordedEnd();
    if (why == RunLoop.Halt.RECORDED && recorded != null) {
      cause = recorded.cause();
    }
    Integer value = o.guestValue();
    return new RunEnd(
        cause,
        m.inputs().at(),
        m.instructions(),
        inTurn,
        o.status(),
        o.reason(),
        value == null ? -1 : value,
        standsInString(m.observer(), inTurn) ? "" : m.stateHash(),
        traceDigest);
  }

  /**
   * A string instruction may stand anywhere in its work, of which counts say nothing: a replay
   * cannot stop at the same place.
   */
  static boolean standsInString(Observer o, boolean inTurn) {
    return inTurn && o.current().instruction().startsWith(REPEATED);
  }

  /** {@return the outcome that a replayed run has where somebody outside had ended it} */
  static Outcome outcome(InputLog log) {
    RunEnd e = log.recordedEnd();
    if (e == null || e.cause() == RunEnd.Cause.CUT) {
      return new Outcome(
          Outcome.LIMIT,
          "the recording ends here: whoever wrote it was killed before its run ended");
    }
    return new Outcome(e.status(), e.reason(), e.guestValue() < 0 ? null : e.guestValue());
  }

  /** {@return what two ends differ in, or null if they are the same as far as both are known} */
  static @Nullable String difference(@Nullable RunEnd recorded, RunEnd now) {
    if (recorded == null || recorded.cause() == RunEnd.Cause.CUT) {
      return null;
    }
    if (recorded.cause() != now.cause()
        || recorded.status() != now.status()
        || !recorded.reason().equals(now.reason())) {
      return "the recorded run has ended otherwise: " + recorded.reason();
    }
    if (recorded.instructions() != now.instructions() || recorded.point() != now.point()) {
      return "the recorded run has ended after "
          + recorded.instructions()
          + " instructions, the replay after "
          + now.instructions();
    }
    if (differ(recorded.stateHash(), now.stateHash())) {
      return "the final state is not that of the recorded run, with the same number of instructions"
          + " and the same ends of turns: memory differs";
    }
    return differ(recorded.traceDigest(), now.traceDigest())
        ? "the trace is not that of the recorded run"
        : null;
  }

  private static boolean differ(String a, String b) {
    return !a.isEmpty() && !b.isEmpty() && !a.equals(b);
  }
}
