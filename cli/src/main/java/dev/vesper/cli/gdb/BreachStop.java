package dev.vesper.cli.gdb;

import dev.vesper.machine.Until;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Finding;
import dev.vesper.machine.observe.check.Rule;
import dev.vesper.machine.observe.format.Visible;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Stops a run at the event that shows a breach of a rule: each rule once a place. */
public final class BreachStop {
  private final Checker checker;
  private final Set<Rule> rules;
  private int seen;
  private @Nullable Finding found;

  /**
   * @param checker is told of each event before runs stop at it
   * @param rules whose breaches count from now on; empty for those of any
   */
  public BreachStop(Checker checker, Set<Rule> rules) {
    this.checker = checker;
    this.rules = Set.copyOf(rules);
    seen = checker.size();
  }

  /** {@return when one of the rules is broken} */
  public Until until() {
    return Until.event(Event.class, e -> isNew());
  }

  /** {@return whether a breach has been found since this was asked before} */
  boolean isNew() {
    int size = checker.size();
    if (size == seen) {
      return false;
    }
    List<Finding> since = checker.findings().subList(seen, size);
    seen = size;
    for (Finding f : since) {
      if (rules.isEmpty() || rules.contains(f.rule())) {
        found = f;
        return true;
      }
    }
    return false;
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
