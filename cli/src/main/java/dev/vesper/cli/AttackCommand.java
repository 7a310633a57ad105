package dev.vesper.cli;

import dev.vesper.cli.attack.Attack;
import dev.vesper.cli.attack.AttackRun;
import dev.vesper.cli.attack.Attacks;
import dev.vesper.cli.attack.Matrix;
import dev.vesper.cli.attack.Suite;
import dev.vesper.cli.attack.SuiteReport;
import dev.vesper.cli.attack.Target;
import dev.vesper.cli.attack.VectorsPage;
import dev.vesper.cli.confine.Confinement;
import dev.vesper.cli.confine.Policy;
import dev.vesper.machine.spec.MachineSpec;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** {@code vesper attack}: what published attacks come to against a guest. */
final class AttackCommand implements Options.Command {
  /** Exit status if a weakness is found that is not known. */
  static final int WEAK = 4;

  private static final String LIST = "list";
  private static final String GUEST = "guest";
  private static final String MATRIX = "matrix";
  private static final String VECTORS = "vectors";

  private final GuestOptions guest = new GuestOptions();
  private final Sandbox sandbox;
  private List<Path> names = List.of();
  private String suite = "";
  private List<Path> reports = List.of();
  private @Nullable Path baseline;
  private @Nullable Path writeBaseline;
  private long limit = Target.MOST_OF_A_KERNEL;
  private boolean json;

  /**
   * @param confine gives up the process's rights for good; null if others need them
   */
  AttackCommand(@Nullable Function<Policy, Confinement> confine) {
    sandbox = new Sandbox(confine);
  }

  @Override
  public Options options() {
    Options o =
        new Options(
            "Carries out published attacks of a host against a guest, and proves by bytes,"
                + " registers and exchanges whether they work.",
            "",
            "Without a guest it is the embedded reference guest. 'list' names the attacks.",
            "Exit status: 0 none works that is not known, 4 one does.",
            "Example: vesper attack wesee-skip -kernel vmlinuz -initrd initrd.gz",
            "Example: vesper attack --suite guest --report attacks.sarif --baseline known.txt");
    o.positionals("NAME", "an attack; 'list' for all names", v -> names = v);
    o.text("guest", "carry out all attacks against the guest", v -> suite = v, "--suite");
    guest.addTo(o, GuestOptions.Style.RUN);
    o.number("N", "decides keys and RDRAND (default: 1)", v -> guest.seed(v), "--seed");
    o.count(
        "N",
        "instructions after which a run has told enough (default: 20000000, and"
            + " 6000000000 of a guest of one's own)",
        v -> limit = v,
        "--limit-insns");
    o.paths(
        "F",
        "write the results to a file: .json, .sarif (2.1.0), .xml (JUnit) or .txt; may be repeated",
        v -> reports = v,
        "--report");
    o.path(
        "F",
        "weaknesses listed in this file, a fingerprint a line, are known",
        v -> baseline = v,
        "--baseline");
    o.path(
        "F",
        "write the fingerprints of all weaknesses to this file; they count no more",
        v -> writeBaseline = v,
        "--write-baseline");
    o.flag("write JSON", () -> json = true, "--json");
    sandbox.addTo(o);
    return o;
  }

  @Override
  public Integer call() {
    sandbox.validate();
    List<String> asked = names.stream().map(Path::toString).toList();
    if (asked.equals(List.of(LIST)) || asked.equals(List.of(MATRIX))) {
      Terminal.outLines(asked.contains(LIST) ? list() : Matrix.page());
      return 0;
    }
    if (asked.equals(List.of(VECTORS))) {
      Terminal.outLines(VectorsPage.read().page());
      return 0;
    }
    List<Attack> attacks = attacks(asked);
    reports.forEach(AttackCommand::form);
    reports.forEach(UserFiles::requireFolder);
    Set<String> known = known();
    Target target = target();
    List<Path> written = new ArrayList<>(reports);
    if (writeBaseline != null) {
      written.add(writeBaseline);
    }
    try (Outputs outputs = new Outputs()) {
      written.forEach(outputs::open);
      sandbox.enter(new Policy.Builder().build());
      Suite s = carryOut(target, attacks, known);
      if (writeBaseline != null) {
        outputs.write(writeBaseline, baseline(s));
        return 0;
      }
      for (Path p : reports) {
        outputs.write(p, form(p).write(s).getBytes(StandardCharsets.UTF_8));
      }
      return s.news() > 0 ? WEAK : 0;
    }
  }

  private Suite carryOut(Target target, List<Attack> attacks, Set<String> known) {
    Suite s =
        UserError.of(
            () ->
                Suite.carryOut(
                    new AttackRun(target),
                    attacks,
                    known,
                    r -> {
                      if (!json) {
                        Terminal.outLines(SuiteReport.text(r));
                      }
                    }));
    Terminal.outLines(json ? SuiteReport.JSON.write(s) : s.summary() + "\n");
    return s;
  }

  private List<Attack> attacks(List<String> asked) {
    if (!suite.isEmpty()) {
      if (!suite.equals(GUEST)) {
        throw new UserError("--suite takes guest, not '" + suite + "'");
      }
      if (!asked.isEmpty()) {
        throw new UserError("--suite guest is all attacks: leave the names out");
      }
      return Attacks.all();
    }
    if (asked.isEmpty()) {
      throw new UserError("name an attack, or give --suite guest: 'vesper attack list' has them");
    }
    List<Attack> all = new ArrayList<>();
    for (String n : asked) {
      Attack a = Attacks.named(n);
      if (a == null) {
        throw new UserError(
            "there is no attack '" + n + "': 'vesper attack list' has the names of all");
      }
      all.add(a);
    }
    return all;
  }

  private Target target() {
    if (guest.reference() && guest.kvm()) {
      guest.validate();
      return Target.locore(guest.mode());
    }
    MachineSpec spec = guest.read();
    String name = guest.reference() ? "locore" : spec.boot().name();
    return Target.of(name, spec, guest.reference(), limit);
  }

  private Set<String> known() {
    Set<String> known = new HashSet<>();
    if (baseline != null) {
      for (String line : UserFiles.text(baseline, "baseline").lines().toList()) {
        if (!line.isBlank() && !line.startsWith("#")) {
          known.add(line.strip());
        }
      }
    }
    return known;
  }

  private static byte[] baseline(Suite s) {
    StringBuilder b = new StringBuilder("# Known weaknesses of vesper attack: guest and attack.\n");
    s.results().stream()
        .filter(Suite::weak)
        .map(s::fingerprint)
        .sorted()
        .forEach(f -> b.append(f).append('\n'));
    return b.toString().getBytes(StandardCharsets.UTF_8);
  }

  private static SuiteReport form(Path p) {
    for (SuiteReport r : SuiteReport.values()) {
      if (p.toString().endsWith(r.suffix)) {
        return r;
      }
    }
    throw new UserError("--report " + p + ": the name must end in .json, .sarif, .xml or .txt");
  }

  private static String list() {
    StringBuilder b = new StringBuilder();
    for (Attack a : Attacks.all()) {
      b.append(String.format("%-26s %s (%s)%n", a.name(), a.title(), a.source()));
    }
    return b.append(Attacks.all().size()).append(" attacks\n").toString();
  }
}
