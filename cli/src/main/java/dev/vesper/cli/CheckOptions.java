package dev.vesper.cli;

import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Reports;
import dev.vesper.machine.observe.check.Rule;
import dev.vesper.machine.observe.check.Verdict;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** The options of the checker that {@code run} and {@code check} share. */
final class CheckOptions {
  /** Exit status of a run or a trace with findings. */
  static final int VIOLATIONS = 4;

  private List<String> allow = List.of();
  private @Nullable Path baseline;
  private @Nullable Path writeBaseline;
  private List<Path> reports = List.of();
  private String recording = "";
  private Supplier<String> recordingSha256 = () -> "";

  /** Fingerprints of the baseline, and of one that is written. */
  private final Set<String> known = new HashSet<>();

  /** Adds these options to a command's. */
  void addTo(Options o) {
    o.texts("RULE", "findings of this rule are known and do not count", v -> allow = v, "--allow");
    o.path(
        "F",
        "findings listed in this file, a fingerprint a line, are known",
        v -> baseline = v,
        "--baseline");
    o.path(
        "F",
        "write the fingerprints of all findings to this file; they count no more",
        v -> writeBaseline = v,
        "--write-baseline");
    o.paths(
        "F",
        "write the findings to a file: .json, .sarif (2.1.0), .xml (JUnit), .md (Markdown) or .txt;"
            + " may be repeated",
        v -> reports = v,
        "--report");
  }

  /**
   * Names the file with which the run can be had again.
   *
   * @param sha256 is asked for what its bytes come to, in hex, when all are there
   */
  void recordedIn(Path file, Supplier<String> sha256) {
    recording = file.toString();
    recordingSha256 = sha256;
  }

  /** {@return the verdict so far, by the options} */
  Verdict verdict(Checker c) {
    return Verdict.of(c, Set.copyOf(allow), known)
        .withRecording(recording, recording.isEmpty() ? "" : recordingSha256.get());
  }

  /** {@return whether any option was given that only makes sense with a check} */
  boolean given() {
    return !allow.isEmpty() || baseline != null || writeBaseline != null || !reports.isEmpty();
  }

  /** Refuses what cannot be done before anything runs. */
  void validate() {
    for (String a : allow) {
      if (Rule.of(a) == null) {
        throw new UserError(
            "--allow " + a + ": there is no such rule; 'vesper check --rules' lists them");
      }
    }
    reports.forEach(CheckOptions::form);
    reports.forEach(UserFiles::requireFolder);
    if (writeBaseline != null) {
      UserFiles.requireFolder(writeBaseline);
    }
    readBaseline();
  }

  private static byte[] bytes(String s) {
    return s.getBytes(StandardCharsets.UTF_8);
  }

  private static Reports form(Path p) {
    for (Reports r : Reports.values()) {
      if (p.toString().endsWith(r.suffix)) {
        return r;
      }
    }
    throw new UserError(
        "--report " + p + ": the name must end in .json, .sarif, .xml, .md or .txt");
  }

  private void readBaseline() {
    if (baseline != null) {
      for (String line : UserFiles.text(baseline, "baseline").lines().toList()) {
        if (!line.isBlank() && !line.startsWith("#")) {
          known.add(line.strip());
        }
      }
    }
  }

  /** {@return the files that {@link #conclude} writes} */
  List<Path> written() {
    List<Path> all = new ArrayList<>(reports);
    if (writeBaseline != null) {
      all.add(writeBaseline);
    }
    return all;
  }

  /** {@return the files that are read} */
  List<Path> read() {
    return baseline == null ? List.of() : List.of(baseline);
  }

  /**
   * Prints the verdict to stderr, writes the reports, and gives the exit status.
   *
   * @param outputs has opened the files
   */
  int conclude(Checker c, Outputs outputs) {
    if (writeBaseline != null) {
      StringBuilder b = new StringBuilder("# Known findings of vesper check: rule and place.\n");
      c.findings().stream()
          .map(f -> f.fingerprint())
          .distinct()
          .sorted()
          .forEach(f -> b.append(f).append('\n'));
      outputs.write(writeBaseline, bytes(b.toString()));
      c.findings().forEach(f -> known.add(f.fingerprint()));
    }
    Verdict v = verdict(c);
    Terminal.errLines(Reports.TEXT.write(v));
    for (Path p : reports) {
      outputs.write(p, bytes(form(p).write(v)));
    }
    return v.failed() ? VIOLATIONS : 0;
  }
}
