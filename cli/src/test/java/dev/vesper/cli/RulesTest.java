package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.ghcb.HvFeatures;
import dev.vesper.guest.FlatGuest;
import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Finding;
import dev.vesper.machine.observe.check.Rule;
import dev.vesper.machine.observe.format.PackedEvents;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpHost;
import dev.vesper.machine.spec.SnpLaunch;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every rule has a guest or a host that breaks it, and a twin that does not. */
final class RulesTest {
  @TempDir Path folder;

  /** One stanza of rules.txt. */
  private static final class Breach {
    Rule rule = Rule.INPUTS_VALID;
    String at = "";
    String profile = "kvm";
    boolean snp;
    boolean svsm;
    String[] intercepts = {};
    String[] faults = {};
    boolean executeOnly;
    final StringBuilder main = new StringBuilder();
    final Map<String, String> changes = new LinkedHashMap<>();

    @Override
    public String toString() {
      return rule.id() + " at " + at;
    }

    byte[] image(boolean broken) {
      return image(broken ? changes : Map.of());
    }

    byte[] image(Map<String, String> pieces) {
      if (!snp) {
        return Locore.variant(main.toString(), pieces);
      }
      String added = svsm ? "    call svsm_serve\n" : "";
      String source = SNP_GUEST.replace("\nmain:\n", "\nmain:\n" + added + main);
      source += svsm ? SVSM_GUEST : "";
      for (Map.Entry<String, String> e : pieces.entrySet()) {
        source = source.replace(e.getKey(), e.getValue());
      }
      return FlatGuest.image(source);
    }

    List<Finding> run(byte[] image, boolean withFaults, boolean xo) throws BootException {
      Machine m = machine(image, withFaults, xo);
      Checker c = new Checker();
      m.trace(c::accept, true);
      m.run();
      return c.findings();
    }

    Machine machine(byte[] image, boolean withFaults, boolean xo) throws BootException {
      MachineSpec.Builder spec =
          MachineSpec.builder(snp ? SevMode.SNP : SevMode.ES, image, b -> {})
              .memoryBytes(64L << 20)
              .profile(profile)
              .processors(profile.equals("kvm") ? 2 : 1)
              .intercepts(intercepts);
      if (svsm) {
        spec.snp(SnpLaunch.DEFAULT.withHost(SnpHost.KVM.offering(HvFeatures.MULTI_VMPL)));
      }
      MachineSpec o = (snp ? spec : spec.cpuModel("vesper-min,+xsave")).build();
      o = withFaults ? o.toBuilder().hostFaults(faults).build() : o;
      Machine m = new Machine(xo ? o.toBuilder().executeOnlyText().build() : o);
      m.limit(snp ? 100_000L : 50_000_000L, Long.MAX_VALUE);
      return m;
    }
  }

  private static final String SNP_GUEST = resource("snp.s");
  private static final String SVSM_GUEST = resource("svsm.s");

  private static String resource(String name) {
    try (InputStream in = RulesTest.class.getResourceAsStream(name)) {
      return new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static List<Breach> breaches() {
    List<Breach> all = new ArrayList<>();
    for (String stanza : resource("rules.txt").split("\n\n+")) {
      Breach b = parse(stanza);
      if (!b.at.isEmpty()) {
        all.add(b);
      }
    }
    return all;
  }

  private static Breach parse(String stanza) {
    Breach b = new Breach();
    StringBuilder find = new StringBuilder();
    StringBuilder replacement = new StringBuilder();
    for (String line : (stanza + "\n- ").split("\n")) {
      if (line.startsWith("- ")
          && (!replacement.isEmpty() || line.equals("- ") && line.isBlank())) {
        flush(b, find, replacement);
      }
      String[] word = line.split(" ", 2);
      switch (word[0]) {
        case "rule" -> b.rule = Objects.requireNonNull(Rule.of(word[1]), word[1]);
        case "at" -> b.at = word[1];
        case "profile" -> b.profile = word[1];
        case "guest" -> {
          b.svsm = word[1].equals("svsm");
          b.snp = b.svsm || word[1].equals("snp");
        }
        case "intercept" -> b.intercepts = word[1].split(",");
        case "fault" -> b.faults = word[1].split(",");
        case "execute-only" -> b.executeOnly = true;
        case ">" -> b.main.append(word[1]).append('\n');
        case "-" -> find.append(word[1]).append('\n');
        case "+" -> replacement.append(word[1]).append('\n');
        default -> {
          // a comment
        }
      }
    }
    flush(b, find, replacement);
    return b;
  }

  private static void flush(Breach b, StringBuilder find, StringBuilder replacement) {
    if (!find.isEmpty() && !replacement.isEmpty()) {
      // The last line may be the beginning of one.
      b.changes.put(
          find.substring(0, find.length() - 1), replacement.substring(0, replacement.length() - 1));
    }
    if (!replacement.isEmpty()) {
      find.setLength(0);
      replacement.setLength(0);
    }
  }

  static Stream<Breach> each() {
    return breaches().stream();
  }

  @ParameterizedTest
  @MethodSource("each")
  void aBreachIsFoundWhereItIsAndItsTwinIsClean(Breach b) throws BootException {
    b.changes.forEach(
        (find, with) ->
            assertThat(find.equals(with) || differs(b, find, with))
                .as("'%s' is in the source", find)
                .isTrue());
    List<Finding> found = b.run(b.image(true), true, b.executeOnly);
    assertThat(found)
        .as("findings %s", found)
        .anyMatch(
            f ->
                f.rule() == b.rule
                    && (f.symbol().startsWith(b.at)
                        || ("0x" + Long.toHexString(f.rip())).equals(b.at)));
    boolean hostBreaks = b.faults.length > 0;
    List<Finding> twin = hostBreaks ? b.run(b.image(true), false, false) : whole(b);
    assertThat(twin).as("the twin").noneMatch(f -> f.rule() == b.rule);
    if (!hostBreaks && b.main.isEmpty() && b.profile.equals("kvm")) {
      assertThat(twin).isEmpty();
    }
  }

  /** A broken machine, and where its breach is found. */
  private static final class Checked {
    final Machine machine;
    final Checker checker = new Checker();
    final PackedEvents told = new PackedEvents();
    long found = -1;

    Checked(Breach b) throws BootException {
      machine = b.machine(b.image(true), true, b.executeOnly);
      machine.trace(
          e -> {
            accept(e);
            if (found < 0 && checker.findings().stream().anyMatch(f -> f.rule() == b.rule)) {
              found = machine.instructions();
            }
          },
          true);
    }

    void accept(Event e) {
      checker.accept(e);
      told.accept(e);
    }
  }

  /** Each breach is found by who comes between its cause and its effect. */
  @ParameterizedTest
  @MethodSource("some")
  void aSnapshotKnowsWhatWasSeenBefore(Breach b) throws Exception {
    Checked whole = new Checked(b);
    whole.machine.run();
    for (long before : new long[] {1, 40}) {
      Checked first = new Checked(b);
      first.machine.run(Until.instructions(Math.max(1, whole.found - before)));
      assertThat(first.machine.instructions()).isPositive();
      Path file = folder.resolve("snapshot" + before);
      try (OutputStream to = Files.newOutputStream(file)) {
        first.machine.save(to, first.told);
      }
      Checked second = new Checked(b);
      try (SeekableByteChannel from = Files.newByteChannel(file)) {
        assertThat(second.machine.load(from, second::accept)).isTrue();
      }
      assertThat(second.checker.findings()).isEqualTo(first.checker.findings());
      second.machine.run();
      List<Finding> all = whole.checker.findings();
      assertThat(second.checker.findings()).isEqualTo(all);
      for (Finding f : all) {
        assertThat(second.checker.count(f)).as("%s", f).isEqualTo(whole.checker.count(f));
      }
      assertThat(second.checker.coverage().cells()).isEqualTo(whole.checker.coverage().cells());
    }
  }

  /** {@return breaches of which each family has some; all with {@code -Dlong}} */
  static Stream<Breach> some() {
    List<Breach> all = breaches();
    int step = Boolean.getBoolean("long") ? 1 : 6;
    return IntStream.iterate(0, i -> i < all.size(), i -> i + step).mapToObj(all::get);
  }

  /** {@return the findings in the unbroken guest: many breaches have the same twin} */
  private static List<Finding> whole(Breach b) throws BootException {
    String key =
        b.snp
            + " "
            + b.svsm
            + " "
            + b.profile
            + " "
            + String.join(",", b.intercepts)
            + "\n"
            + b.main;
    List<Finding> known = WHOLE.get(key);
    if (known == null) {
      known = b.run(b.image(false), false, false);
      WHOLE.put(key, known);
    }
    return known;
  }

  private static final Map<String, List<Finding>> WHOLE = new HashMap<>();

  private static boolean differs(Breach b, String find, String with) {
    return !java.util.Arrays.equals(b.image(Map.of(find, with)), b.image(false));
  }

  @Test
  void noRuleIsWithoutABreach() {
    Set<Rule> seen = EnumSet.noneOf(Rule.class);
    breaches().forEach(b -> seen.add(b.rule));
    assertThat(seen).containsExactlyInAnyOrder(Rule.values());
  }

  @Test
  void theDocumentsListTheRulesAndTheReproducedDefects() throws IOException {
    Path docs = Path.of("..", "docs");
    assertThat(Files.readString(docs.resolve("check.md"))).endsWith(CheckCommand.table());
    Set<String> reproduced = new TreeSet<>();
    breaches().forEach(b -> reproduced.add(b.rule.id()));
    List<String> defects =
        Files.readAllLines(docs.resolve("findings.md")).stream()
            .dropWhile(l -> !l.startsWith("| defect |"))
            .skip(2)
            .filter(l -> l.startsWith("| "))
            .toList();
    assertThat(defects).hasSizeGreaterThan(20);
    assertThat(defects).allMatch(l -> reproduced.contains(l.replaceAll(".*\\| `(.*)` \\|$", "$1")));
  }
}
