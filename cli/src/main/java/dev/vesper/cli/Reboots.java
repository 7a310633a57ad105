package dev.vesper.cli;

import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.ResetPolicy;
import org.jspecify.annotations.Nullable;

/**
 * What QEMU's {@code -no-reboot} and {@code -action reboot=} make of a guest that resets itself: it
 * starts again, but not for ever if nothing is said. A kernel that panics and resets would keep a
 * run that nobody watches from its end.
 */
final class Reboots implements ResetPolicy {
  /** Virtual time between resets that follow each other quickly: a minute. */
  private static final long FAST = 60_000_000_000L;

  private static final int MOST_FAST = 3;

  private final Action action;
  private int fast;

  /** What a reset does. */
  enum Action {
    /** The guest starts again, unless it does so again and again. */
    AUTO,
    /** The guest starts again always. */
    RESET,
    /** The run ends. */
    SHUTDOWN
  }

  Reboots(Action action) {
    this.action = action;
  }

  @Override
  public @Nullable Outcome decide(Reset r) {
    String why = r.end().reason();
    if (action == Action.SHUTDOWN) {
      return r.end();
    }
    if (!r.possible()) {
      if (r.end().is(Outcome.POWER_OFF)) {
        // Of any other end its reason is said.
        Terminal.say(
            why + ", which encrypted guests cannot have: the run ends, as with -no-reboot");
      }
      return r.end();
    }
    fast = r.lived() < FAST ? fast + 1 : 0;
    if (action == Action.AUTO && fast >= MOST_FAST) {
      return new Outcome(
          r.end().is(Outcome.SHUTDOWN) ? Outcome.SHUTDOWN : Outcome.GAVE_UP,
          why
              + " for the third time, each within a minute: -no-reboot ends a run at the first one,"
              + " -action reboot=reset at none");
    }
    Terminal.say(why + ": it starts again");
    return null;
  }
}
