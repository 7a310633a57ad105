package dev.vesper.machine.hostile;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Rules, and what is expected of a run with them.
 *
 * @param rules numbered from 1 on
 * @param expectations what must hold when the run ends
 */
public record Script(List<Rule> rules, List<Expectation> expectations) {
  /** The state that a run begins in. */
  public static final String START = "start";

  /** The most rules that a script has. */
  public static final int MOST = 10_000;

  /**
   * Makes a script.
   *
   * @throws IllegalArgumentException for a name that nothing sets, and for too many rules
   */
  public Script {
    rules = List.copyOf(rules);
    expectations = List.copyOf(expectations);
    if (rules.size() > MOST) {
      throw new IllegalArgumentException("a script has at most " + MOST + " rules");
    }
    Set<String> numbers = new HashSet<>();
    Set<String> bytes = new HashSet<>();
    Set<String> lines = new HashSet<>();
    Set<String> states = new HashSet<>(Set.of(START));
    for (Rule r : rules) {
      states.addAll(Uses.states(r));
      for (Action a : r.actions()) {
        switch (a) {
          case LawfulAction.Let l -> numbers.add(l.name());
          case LawfulAction.Capture c -> bytes.add(c.name());
          case SiliconAction.WriteBack w -> lines.add(w.name());
          default -> {
            // It names nothing.
          }
        }
      }
    }
    for (Rule r : rules) {
      Uses.variables(r).forEach(n -> require(numbers, n, r, "no rule gives '%s' a value: 'let'"));
      if (!r.state().isEmpty()) {
        require(states, r.state(), r, "no rule goes to the state '%s'");
      }
      for (Action a : r.actions()) {
        switch (a) {
          case LawfulAction.Replay p -> require(bytes, p.name(), r, "no rule captures '%s'");
          case SiliconAction.DropStores d ->
              require(lines, d.since(), r, "no rule writes '%s' back: 'write-back'");
          default -> {
            // It takes nothing by name.
          }
        }
      }
    }
  }

  private static void require(Set<String> known, String name, Rule r, String otherwise) {
    if (!known.contains(name)) {
      throw new IllegalArgumentException(r.label() + ": " + otherwise.formatted(name));
    }
  }

  /** {@return whether a rule may break the machine's own rules} */
  public boolean hasSilicon() {
    return rules.stream().anyMatch(Rule::silicon);
  }

  /** {@return a new script to be filled} */
  public static Builder builder() {
    return new Builder();
  }

  /** Makes a script, rule by rule. */
  public static final class Builder {
    private final List<Rule> rules = new ArrayList<>();
    private final List<Expectation> expectations = new ArrayList<>();

    private Builder() {}

    /** Begins a rule that does what a host can do. */
    public Lawful lawful(Trigger trigger) {
      return new Lawful(this, trigger);
    }

    /** Begins a rule that may break the machine's own rules. */
    public Broken silicon(Trigger trigger) {
      return new Broken(this, trigger);
    }

    /** Adds a rule as it is, but for its number. */
    Builder add(Rule r) {
      rules.add(
          new Rule(
              rules.size() + 1,
              r.line(),
              r.state(),
              r.trigger(),
              r.condition(),
              r.actions(),
              r.times(),
              r.silicon(),
              r.optional()));
      return this;
    }

    /** Adds what must hold at the end. */
    public Builder expect(Expectation e) {
      expectations.add(e);
      return this;
    }

    /**
     * {@return the script}
     *
     * @throws IllegalArgumentException as {@link Script#Script}
     */
    public Script build() {
      return new Script(rules, expectations);
    }
  }

  /** A rule that is being made. */
  public abstract static sealed class Draft<D extends Draft<D>> permits Lawful, Broken {
    private final Builder script;
    private final Trigger trigger;
    private final boolean silicon;
    private final List<Action> actions = new ArrayList<>();
    private String state = "";
    private Condition condition = Condition.ALWAYS;
    private long times = 1;
    private boolean optional;

    Draft(Builder script, Trigger trigger, boolean silicon) {
      this.script = script;
      this.trigger = trigger;
      this.silicon = silicon;
    }

    abstract D self();

    /** Has it count in a state alone. */
    public D in(String name) {
      state = name;
      return self();
    }

    /** Has it count where a condition holds. */
    public D where(Condition c) {
      condition = c;
      return self();
    }

    /** Says how often it fires, if not once. */
    public D times(long n) {
      times = n;
      return self();
    }

    /** Has it fire as often as its trigger comes. */
    public D always() {
      return times(Rule.ALWAYS);
    }

    /** Says that it need not fire. */
    public D optional() {
      optional = true;
      return self();
    }

    /** Keeps a number for the report. */
    public D note(String name, Value value) {
      actions.add(new Action.Note(name, value));
      return self();
    }

    final Builder finish(List<? extends Action> more) {
      actions.addAll(more);
      return script.add(
          new Rule(1, 0, state, trigger, condition, actions, times, silicon, optional));
    }
  }

  /** A rule that does what a host can do. */
  public static final class Lawful extends Draft<Lawful> {
    Lawful(Builder script, Trigger trigger) {
      super(script, trigger, false);
    }

    @Override
    Lawful self() {
      return this;
    }

    /**
     * Ends the rule: notes come first, then these.
     *
     * @throws IllegalArgumentException as {@link Rule#Rule}
     */
    public Builder perform(LawfulAction... actions) {
      return finish(List.of(actions));
    }
  }

  /** A rule that may break the machine's own rules. */
  public static final class Broken extends Draft<Broken> {
    Broken(Builder script, Trigger trigger) {
      super(script, trigger, true);
    }

    @Override
    Broken self() {
      return this;
    }

    /**
     * Ends the rule: notes come first, then these.
     *
     * @throws IllegalArgumentException as {@link Rule#Rule}
     */
    public Builder perform(Action... actions) {
      return finish(List.of(actions));
    }
  }
}
