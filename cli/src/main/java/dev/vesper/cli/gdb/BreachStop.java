package dev.vesper.cli.gdb;

import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Finding;
import dev.vesper.machine.observe.check.Rule;
import dev.vesper.machine.observe.format.Visible;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Stops a run at the event that shows a breach of a rule: each rule once a place. A checker is
 * taken back with its machine and finds again what it had found: where that was is remembered, so
 * that the machine can be taken back to there, and is not stopped there anew when it comes by.
 */
public final class BreachStop {
  /** Places that are remembered. */
  private static final int MOST = 10_000;

  private final Checker checker;
  private final Set<Rule> rules;

  /** What was found, by how many events there had been. */
  private final Map<Long, Finding> places = new HashMap<>();

  /** All that was found, in whatever future. */
  private final Set<Finding> known = new HashSet<>();

  private @Nullable Machine machine;
  private int seen;
  private @Nullable Finding latest;
  private @Nullable Finding found;

  /**
   * @param checker is told of each event before runs stop at it
   * @param rules whose breaches count from now on; empty for those of any
   */
  public BreachStop(Checker checker, Set<Rule> rules) {
    this.checker = checker;
    this.rules = Set.copyOf(rules);
    passOver();
  }

  /** Has what was found so far be known. */
  private void passOver() {
    seen = checker.size();
    latest = checker.latest();
    known.addAll(checker.findings());
  }

  /**
   * Says whose events the checker is told of from now on. What it has found by then, as in the past
   * of a snapshot, is nothing to stop at.
   */
  public void of(Machine m) {
    machine = m;
    places.clear();
    passOver();
  }

  /** {@return when one of the rules is broken} */
  public Until until() {
    return Until.event(Event.class, e -> isNew());
  }

  /** {@return whether a breach has been found since this was asked before, or here at that time} */
  boolean isNew() {
    int size = checker.size();
    Machine m = machine;
    long events = m == null ? 0 : m.tally().events();
    Finding before = places.get(events);
    // The same count with another end is that of another future.
    Finding end = checker.latest();
    if (size != seen || end != latest) {
      seen = size;
      latest = end;
      for (Finding f : checker.findings()) {
        if (known.add(f) && (rules.isEmpty() || rules.contains(f.rule()))) {
          found = f;
          if (m != null && places.size() < MOST) {
            places.put(events, f);
          }
          return true;
        }
      }
    }
    found = before == null ? found : before;
    return before != null;
  }

  /** {@return what was found since this was asked before, for people in one line, or null} */
  public @Nullable String found() {
    Finding f = found;
    found = null;
    return f == null
        ? null
        : Visible.of("breach of " + f.rule().id() + " at " + f.place() + ": " + f.message());
  }
}
