package dev.vesper.cli.attack;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;

/**
 * What several attacks have come to against one target.
 *
 * @param target name of it
 * @param results in the order in which they were carried out
 * @param known fingerprints of weaknesses that do not count
 */
public record Suite(String target, List<Result> results, Set<String> known) {
  /** What one attack has come to. */
  public record Result(Attack attack, Verdict verdict) {}

  /** Makes one. */
  public Suite {
    results = List.copyOf(results);
    known = Set.copyOf(known);
  }

  /**
   * Carries attacks out, one after the other.
   *
   * @param run has the target
   * @param done is told of each
   */
  public static Suite carryOut(
      AttackRun run, List<Attack> attacks, Set<String> known, Consumer<Result> done) {
    List<Result> all = new ArrayList<>();
    for (Attack a : attacks) {
      Result r = new Result(a, run.of(a));
      all.add(r);
      done.accept(r);
    }
    return new Suite(run.target().name(), all, known);
  }

  /** {@return a name for a weakness, the same from run to run} */
  public String fingerprint(Result r) {
    return target + "/" + r.attack.name();
  }

  /** {@return whether a result is a weakness, known or not} */
  public static boolean weak(Result r) {
    return r.verdict instanceof Verdict.Vulnerable;
  }

  /** {@return whether a result is a weakness that is not known} */
  public boolean isNew(Result r) {
    return weak(r) && !known.contains(fingerprint(r));
  }

  /** {@return how many weaknesses are new} */
  public long news() {
    return results.stream().filter(this::isNew).count();
  }

  private long count(Class<? extends Verdict> kind) {
    return results.stream().filter(r -> kind.isInstance(r.verdict)).count();
  }

  /** {@return for people, in one line} */
  public String summary() {
    long weak = count(Verdict.Vulnerable.class);
    return target
        + ": "
        + results.size()
        + " attacks, vulnerable to "
        + weak
        + " ("
        + news()
        + " new), defended against "
        + count(Verdict.Defended.class)
        + ", limits "
        + count(Verdict.Limit.class)
        + ", denied "
        + count(Verdict.Denied.class)
        + ", not applicable "
        + count(Verdict.NotApplicable.class);
  }
}
