package dev.vesper.machine.observe.check;

import dev.vesper.machine.observe.check.Rule.Severity;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * The findings of a run, divided into those that count and those that are known.
 *
 * @param findings those that count, in the order in which they were seen
 * @param known those that were allowed or are in the baseline
 * @param counts how often each of {@code findings} was seen
 * @param coverage what the guest's handlers have seen
 * @param recording the file with which the run can be had again, as it was named; empty if there is
 *     none
 * @param recordingSha256 what its bytes come to, in hex; empty if that is not known
 */
public record Verdict(
    List<Finding> findings,
    List<Finding> known,
    List<Integer> counts,
    HandlerCoverage coverage,
    String recording,
    String recordingSha256) {

  /**
   * {@return the verdict on what a checker has seen}
   *
   * @param allowed ids of rules whose findings are known
   * @param baseline fingerprints of findings that are known: see {@link Finding#fingerprint}
   */
  public static Verdict of(Checker c, Set<String> allowed, Set<String> baseline) {
    List<Finding> found = new ArrayList<>();
    List<Finding> known = new ArrayList<>();
    List<Integer> counts = new ArrayList<>();
    for (Finding f : c.findings()) {
      if (allowed.contains(f.rule().id()) || baseline.contains(f.fingerprint())) {
        known.add(f);
      } else {
        found.add(f);
        counts.add(c.count(f));
      }
    }
    return new Verdict(found, known, counts, c.coverage(), "", "");
  }

  /**
   * {@return the same of a run that was recorded}
   *
   * @param sha256 of the file's bytes, in hex, or empty
   */
  public Verdict withRecording(String file, String sha256) {
    return new Verdict(findings, known, counts, coverage, file, sha256);
  }

  /** {@return how many findings are of a severity} */
  public long count(Severity s) {
    return findings.stream().filter(f -> f.rule().severity == s).count();
  }

  /** {@return whether anything worse than a note was found} */
  public boolean failed() {
    return findings.stream().anyMatch(f -> f.rule().severity != Severity.NOTE);
  }

  /** {@return one line that says it all} */
  public String summary() {
    return count(Severity.ERROR)
        + " errors, "
        + count(Severity.WARNING)
        + " warnings, "
        + count(Severity.NOTE)
        + " notes"
        + (known.isEmpty() ? "" : ", " + known.size() + " known");
  }
}
