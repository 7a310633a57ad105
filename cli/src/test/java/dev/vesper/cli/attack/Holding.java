package dev.vesper.cli.attack;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** Carries attacks out and holds what is recorded of them, or records it with -Dattacks.record. */
final class Holding {
  private static final Path RECORD =
      Path.of("src/main/resources/dev/vesper/cli/attack/verdicts.txt");
  private static final Path PAGE = Path.of("../docs/attacks.md");

  private static final String HEAD =
      "# Verdicts of attacks: column, attack, verdict, reason. Tests hold them; -Dattacks.record"
          + " has them written.\n";

  private Holding() {}

  static boolean records() {
    return Boolean.getBoolean("attacks.record");
  }

  /** {@return names of all attacks, or of those that -Dattacks.only has a pattern of} */
  static List<String> slowly() {
    String only = System.getProperty("attacks.only", ".*");
    return Attacks.all().stream().map(Attack::name).filter(n -> n.matches(only)).toList();
  }

  /** Carries out attacks against a target, which is a column's. */
  static void hold(Column c, AttackRun run, List<Attack> attacks) {
    Suite s = Suite.carryOut(run, attacks, Set.of(), r -> {});
    List<String> found = s.results().stream().map(r -> Recorded.line(c, r)).toList();
    if (records()) {
      record(found);
      return;
    }
    Recorded recorded = Recorded.read();
    List<String> known =
        attacks.stream().map(a -> c.id + "|" + a.name() + "|" + recorded.of(c, a)).toList();
    assertThat(found).isEqualTo(known);
  }

  private static void record(List<String> found) {
    try {
      Map<String, String> all = new TreeMap<>();
      List<String> order = new ArrayList<>();
      for (Column c : Column.values()) {
        Attacks.all().forEach(a -> order.add(c.id + "|" + a.name()));
      }
      List<String> lines = new ArrayList<>();
      if (Files.exists(RECORD)) {
        lines.addAll(Files.readAllLines(RECORD));
      }
      lines.addAll(found);
      for (String l : lines) {
        String[] p = l.split("\\|", 3);
        if (p.length == 3) {
          all.put(p[0] + "|" + p[1], l);
        }
      }
      StringBuilder b = new StringBuilder(HEAD);
      order.stream().map(all::get).filter(l -> l != null).forEach(l -> b.append(l).append('\n'));
      Files.writeString(RECORD, b);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Holds the page, or writes it. */
  static void holdPage() throws IOException {
    if (records()) {
      Files.writeString(PAGE, Matrix.page());
    }
    assertThat(Files.readString(PAGE)).isEqualTo(Matrix.page());
  }
}
