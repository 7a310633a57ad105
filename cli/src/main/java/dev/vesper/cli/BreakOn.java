package dev.vesper.cli;

import dev.vesper.cli.gdb.BreachStop;
import dev.vesper.cli.gdb.GdbServer;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
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

  /** Runs a guest without a debugger: to its end, to a breach, or until it is asked to stop. */
  Outcome run(Machine m) {
    BreachStop s = stop;
    if (s == null) {
      return m.run();
    }
    Stop why = m.run(s.until());
    if (why instanceof Stop.Requested) {
      return new Outcome(Outcome.LIMIT, why.description());
    }
    if (why instanceof Stop.Happened) {
      m.end(new Outcome(CheckOptions.VIOLATIONS, "--break-on: " + s.found()));
    }
    return m.run();
  }
}
