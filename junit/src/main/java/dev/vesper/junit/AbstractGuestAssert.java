package dev.vesper.junit;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.Until;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.check.Finding;
import dev.vesper.machine.observe.check.Rule;
import dev.vesper.machine.observe.check.Verdict;
import dev.vesper.machine.observe.format.Visible;
import dev.vesper.machine.spec.Outcome;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.assertj.core.api.AbstractAssert;
import org.jspecify.annotations.Nullable;

/**
 * What can be said of a guest. A failure says what was expected, what became of the guest, the last
 * lines of its console, its last events, and where a page with all of them is.
 *
 * @param <S> the assertions themselves
 * @param <A> what they are about
 */
public abstract sealed class AbstractGuestAssert<S extends AbstractGuestAssert<S, A>, A>
    extends AbstractAssert<S, A> permits GuestRunAssert, MachineAssert {
  private static final int MOST_FINDINGS = 10;

  AbstractGuestAssert(@Nullable A actual, Class<?> self) {
    super(actual, self);
  }

  abstract Recording recording();

  /** Runs on. {@return whether the guest may be run on again} */
  abstract boolean goOn(Until until);

  /** {@return how it ends} */
  abstract Outcome end();

  private S fail(String what) {
    failWithMessage("%s", "\nExpecting guest to " + what + "\n" + recording().describe());
    return myself;
  }

  /** {@return whether something holds, or does when the guest has run on} */
  private boolean happens(BooleanSupplier holds, Until until) {
    boolean more = true;
    while (!holds.getAsBoolean()) {
      if (!more) {
        return false;
      }
      more = goOn(until);
    }
    return true;
  }

  private S refuse(boolean wrong, String what) {
    return wrong ? fail(what) : myself;
  }

  // ---- where it comes to

  /**
   * The guest comes to the code that a symbol names, on any processor. A Linux kernel's own names
   * are known, wherever it lies; others come with the image or a file of symbols.
   */
  public S reached(String symbol) {
    Recording r = recording();
    boolean so = happens(() -> r.reached(symbol), Until.symbol(symbol));
    // A kernel's names may have become known on the way.
    return refuse(!so, "reach " + symbol + (r.knows(symbol) ? "" : ", a name that is not known"));
  }

  /** The guest has not come to the code that a symbol names. The name must be known. */
  public S didNotReach(String symbol) {
    Recording r = recording();
    refuse(!r.knows(symbol), "have a symbol " + symbol + ", so that it can be missed");
    return refuse(r.reached(symbol), "not reach " + symbol);
  }

  // ---- what it says

  /** The console (COM1) says a text, which may go over several lines. */
  public S printed(String text) {
    Recording r = recording();
    // Until looks at lines: the last piece is what completes the text.
    String plain = text.replace("\r", "");
    String last = plain.strip().lines().reduce("", (a, b) -> b);
    return refuse(
        !happens(() -> r.plainConsole().contains(plain), Until.console(last)),
        "print \"" + text + "\"");
  }

  /** The console says a line in which a regular expression is found. */
  public S printedLine(String regex) {
    Recording r = recording();
    Pattern p = Pattern.compile(regex);
    return refuse(
        !happens(
            () -> r.lines().stream().anyMatch(l -> p.matcher(l).find()),
            Until.event(Event.ConsoleLine.class, e -> p.matcher(e.text()).find())),
        "print a line with " + regex);
  }

  /** The console has not said a text. */
  public S didNotPrint(String text) {
    return refuse(
        recording().plainConsole().contains(text.replace("\r", "")), "not print \"" + text + "\"");
  }

  // ---- what it asks its host

  /**
   * The guest requests an event by its GHCB.
   *
   * @param exitCode SW_EXITCODE, one of {@link ExitCode}
   */
  public S exchanged(int exitCode) {
    Recording r = recording();
    return refuse(
        !happens(
            () -> r.exchanges().containsKey(exitCode),
            Until.event(Event.GhcbExchange.class, x -> x.exit() == exitCode)),
        "request " + ExitCode.name(exitCode) + " by its GHCB");
  }

  /**
   * The guest has not requested an event by its GHCB.
   *
   * @param exitCode SW_EXITCODE, one of {@link ExitCode}
   */
  public S didNotExchange(int exitCode) {
    return refuse(
        recording().exchanges().containsKey(exitCode),
        "not request " + ExitCode.name(exitCode) + " by its GHCB");
  }

  // ---- whether it keeps to the rules

  private static String line(Finding f) {
    return Visible.of(
        f.rule().severity
            + ": "
            + f.rule().id()
            + " ("
            + f.rule().side
            + ") at "
            + f.place()
            + (f.instruction().isEmpty() ? "" : " {" + f.instruction() + "}")
            + ": "
            + f.message());
  }

  /**
   * Neither guest nor hypervisor has broken the GHCB protocol so far. Notes and what is known do
   * not count; a guest without encrypted state has no protocol to break.
   */
  public S hasNoFindings() {
    Verdict v = recording().verdict();
    if (!v.failed()) {
      return myself;
    }
    List<Finding> all = v.findings();
    String shown =
        all.stream()
            .filter(f -> f.rule().severity != Rule.Severity.NOTE)
            .limit(MOST_FINDINGS)
            .map(AbstractGuestAssert::line)
            .collect(Collectors.joining("\n  ", "\n  ", ""));
    return fail("keep to the GHCB protocol, but there are " + v.summary() + ":" + shown);
  }

  /** A rule of the GHCB protocol has been broken so far. */
  public S hasFinding(Rule rule) {
    boolean found = recording().verdict().findings().stream().anyMatch(f -> f.rule() == rule);
    return refuse(!found, "break the rule " + rule.id());
  }

  /**
   * A rule of the GHCB protocol has been broken so far.
   *
   * @param id of the rule, as {@code vesper check --rules} lists them
   * @throws IllegalArgumentException if there is no such rule
   */
  public S hasFinding(String id) {
    Rule r = Rule.of(id);
    if (r == null) {
      throw new IllegalArgumentException("there is no rule " + id);
    }
    return hasFinding(r);
  }

  // ---- how it ends

  /**
   * The guest ends with an exit status of the command: 0 for power off, {@code value << 1 | 1} for
   * a value that it wrote to port 0xf4, 3 if it asked for termination, 5 if it shut down, ...
   */
  public S exited(int status) {
    return refuse(end().status() != status, "end with status " + status);
  }

  /** The guest powers off. */
  public S poweredOff() {
    return refuse(end().status() != Outcome.POWER_OFF, "power off");
  }

  /** The guest asks its host for termination. */
  public S terminated() {
    return refuse(end().status() != Outcome.GUEST_TERMINATED, "ask for termination");
  }

  /** The guest shuts down, by a triple fault. */
  public S shutDown() {
    return refuse(end().status() != Outcome.SHUTDOWN, "shut down");
  }

  /** The guest ends for a reason that contains a text. */
  public S endedBecause(String text) {
    return refuse(!end().reason().contains(text), "end because of \"" + text + "\"");
  }
}
