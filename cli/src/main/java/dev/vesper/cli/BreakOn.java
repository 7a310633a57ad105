package dev.vesper.cli;

import dev.vesper.cli.gdb.BreachStop;
import dev.vesper.cli.gdb.GdbServer;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Rule;
import dev.vesper.machine.spec.Outcome;
import java.util.EnumSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** {@code --break-on}: a run goes no further than to the first breach of a rule. */
final class BreakOn {
  private static final String ANY = "any";

  private List<String> names = List.of();
  private @Nullable BreachStop stop;

  void addTo(Options o) {
    o.texts(
        "RULE",
        "with --check, end the run at the first breach of this rule, or of any; where gdb is let"
            + " in, stand still there",
        v -> names = v,
        "--break-on");
  }

  /** Refuses rules that there are not, and what nobody looks for. */
  void validate(boolean check) {
    for (String n : names) {
      if (!n.equals(ANY) && Rule.of(n) == null) {
        throw new UserError(
            "--break-on " + n + ": there is no such rule; 'vesper check --rules' lists them");
      }
    }
    if (!names.isEmpty() && !check) {
      throw new UserError("--break-on needs --check, which finds breaches");
    }
  }

  /** Says whose findings they are, and who may debug the guest. */
  void of(Checker c, @Nullable GdbServer debugger) {
    if (names.isEmpty()) {
      return;
    }
    Set<Rule> rules = EnumSet.noneOf(Rule.class);
    if (!names.contains(ANY)) {
      names.forEach(n -> rules.add(Objects.requireNonNull(Rule.of(n))));
    }
    BreachStop s = new BreachStop(c, rules);
    if (debugger == null) {
      stop = s;
    } else {
      debugger.standsAt(s, found -> Terminal.say(found + ": the guest stands still for gdb"));
    }
  }

  /** Says whose run begins: breaches that are in its past already, by a snapshot, end none. */
  void begins(Machine m) {
    BreachStop s = stop;
    if (s != null) {
      s.of(m);
    }
  }

  /** {@return when a run without a debugger goes no further, if ever} */
  Until until() {
    BreachStop s = stop;
    return s == null ? Until.end() : s.until();
  }

  /** {@return how a run ends that has stopped at a breach} Traces end with it too. */
  Outcome end(Machine m) {
    String found = Objects.requireNonNull(stop).found();
    m.end(new Outcome(CheckOptions.VIOLATIONS, "--break-on: " + found));
    return m.run();
  }

  /** Runs a guest without a debugger: to its end, to a breach, or until it is asked to stop. */
  Outcome run(Machine m) {
    if (stop == null) {
      return m.run();
    }
    return switch (m.run(until())) {
      case Stop.Requested r -> new Outcome(Outcome.LIMIT, r.description());
      case Stop.Happened h -> end(m);
      default -> m.run();
    };
  }
}
