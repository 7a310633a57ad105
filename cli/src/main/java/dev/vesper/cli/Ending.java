package dev.vesper.cli;

import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.Outcome;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * Why a run is to end before its guest does: a signal, a key, or an output that takes no more. What
 * comes first counts, and whatever else is to be written is written all the same.
 */
final class Ending {
  /** Something that is written at the end. */
  interface Writing {
    void run() throws IOException;
  }

  private @Nullable Machine machine;
  private @Nullable Outcome wanted;
  private @Nullable OutputError lost;
  private boolean onlyStops;

  /** The machine that is to be ended, from now on. */
  synchronized void of(Machine m) {
    machine = m;
    if (wanted != null) {
      end(m, wanted);
    }
  }

  /** Has the machine come back only: whoever runs it has something to do before it is ended. */
  synchronized void onlyStops() {
    onlyStops = true;
  }

  private void end(Machine m, Outcome as) {
    if (onlyStops) {
      m.stop();
    } else {
      m.end(as);
    }
  }

  /** Ends the run, or lets it not begin; from any thread. */
  synchronized void end(Outcome as) {
    if (wanted != null) {
      return;
    }
    wanted = as;
    notifyAll();
    if (machine != null) {
      end(machine, as);
    }
  }

  /** {@return whether the run is to end, or not to begin} */
  synchronized boolean isWanted() {
    return wanted != null;
  }

  /** {@return how the run is to end, if that is known before so many milliseconds have passed} */
  synchronized @Nullable Outcome await(long millis) {
    if (wanted == null) {
      try {
        wait(Math.max(1, millis));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
    return wanted;
  }

  /** {@return whether a run has ended in this way because of what is here} */
  synchronized boolean isReasonOf(Outcome run) {
    return run == wanted || lost != null;
  }

  /** An output takes no more: there is no use in going on. */
  synchronized void lost(OutputError e) {
    if (lost == null) {
      lost = e;
    }
    end(e.outcome());
  }

  /**
   * Writes something; if that fails the rest is written all the same.
   *
   * @param name of what it is written to, for people
   */
  void write(String name, Writing w) {
    try {
      w.run();
    } catch (OutputError e) {
      lost(e);
    } catch (IOException e) {
      lost(new OutputError(name, e));
    }
  }

  /**
   * {@return how the command ends if the run has ended so} A file that could not be written to its
   * end is worse than anything that a guest may have had to say, but for a defect.
   */
  synchronized Outcome after(Outcome run) {
    OutputError e = lost;
    return e == null || run.is(Outcome.DEFECT) || run.equals(e.outcome()) ? run : e.outcome();
  }
}
