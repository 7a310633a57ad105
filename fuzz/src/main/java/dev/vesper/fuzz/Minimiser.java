package dev.vesper.fuzz;

import dev.vesper.fuzz.store.CampaignException;
import java.util.ArrayList;
import java.util.List;

/**
 * Leaves out of an input what a finding does not need: lies, changes, then bits of values. What is
 * left has none that could be left out alone.
 */
final class Minimiser {
  /** Says whether an input still does what the first one did. */
  @FunctionalInterface
  interface Trial {
    /** {@return whether it does} */
    boolean holds(Input input) throws CampaignException;
  }

  private final Trial trial;
  private int left;
  private Input best;

  private Minimiser(Input input, Trial trial, int most) {
    this.best = input;
    this.trial = trial;
    this.left = most;
  }

  /**
   * {@return an input that does the same}
   *
   * @param most executions that may be tried
   */
  static Input minimise(Input input, Trial trial, int most) throws CampaignException {
    Minimiser m = new Minimiser(input, trial, most);
    int before;
    do {
      before = m.best.hashCode();
      m.lies();
      m.changes();
      m.bits();
    } while (m.best.hashCode() != before && m.left > 0);
    return m.best;
  }

  /** {@return the same with lies left out alone} */
  static Input leaveOut(Input input, Trial trial, int most) throws CampaignException {
    Minimiser m = new Minimiser(input, trial, most);
    m.lies();
    m.changes();
    return m.best;
  }

  private boolean attempt(Input i) throws CampaignException {
    if (left <= 0) {
      return false;
    }
    left--;
    boolean holds = trial.holds(i);
    if (holds) {
      best = i;
    }
    return holds;
  }

  private void lies() throws CampaignException {
    for (int n = Math.max(1, best.lies().size() / 2); n >= 1; n /= 2) {
      for (int i = 0; i < best.lies().size(); ) {
        List<Lie> fewer = new ArrayList<>(best.lies());
        fewer.subList(i, Math.min(fewer.size(), i + n)).clear();
        if (!attempt(new Input(fewer))) {
          i += n;
        }
      }
    }
  }

  private void changes() throws CampaignException {
    for (int i = 0; i < best.lies().size(); i++) {
      for (int k = 0;
          best.lies().get(i).changes().size() > 1 && k < best.lies().get(i).changes().size(); ) {
        List<Change> fewer = new ArrayList<>(best.lies().get(i).changes());
        fewer.remove(k);
        if (!attempt(with(i, fewer))) {
          k++;
        }
      }
    }
  }

  private Input with(int i, List<Change> changes) {
    List<Lie> all = new ArrayList<>(best.lies());
    all.set(i, new Lie(all.get(i).site(), all.get(i).nth(), changes));
    return new Input(all);
  }

  private void bits() throws CampaignException {
    for (int i = 0; i < best.lies().size(); i++) {
      for (int k = 0; k < best.lies().get(i).changes().size(); k++) {
        for (int width = 32; width >= 1; width /= 2) {
          for (int at = 0; at < 64; at += width) {
            long mask = (-1L >>> 64 - width) << at;
            Change c = best.lies().get(i).changes().get(k);
            Change less = without(c, mask);
            if (!less.equals(c)) {
              List<Change> changes = new ArrayList<>(best.lies().get(i).changes());
              changes.set(k, less);
              attempt(with(i, changes));
            }
          }
        }
      }
    }
  }

  private static Change without(Change c, long mask) {
    return switch (c) {
      case Change.Field f -> new Change.Field(f.field(), f.value() & ~mask);
      case Change.Buffer b -> new Change.Buffer(b.at(), b.bytes(), b.value() & ~mask);
      case Change.Response r -> new Change.Response(r.value() & ~(mask & 0xFFFF_FFFF_0000_0000L));
      case Change.Used u -> new Change.Used(u.ofLength(), u.value() & (int) ~mask);
      case Change.Descriptor d -> new Change.Descriptor(d.field(), d.value() & ~mask);
      case Change.Delay d -> (d.nanos() & ~mask) == 0 ? d : new Change.Delay(d.nanos() & ~mask);
      case Change.Shared s -> new Change.Shared(s.gpa(), s.bytes(), s.value() & ~mask);
      case Change.Raise r -> r;
      case Change.Invalid i -> i;
      case Change.Interrupt i -> i;
      case Change.File f -> f;
    };
  }
}
