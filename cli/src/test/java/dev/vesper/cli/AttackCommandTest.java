package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code vesper attack}: names, verdicts, reports, baseline and exit status. */
final class AttackCommandTest {
  private static final int USAGE = 2;

  @TempDir private Path folder;

  @Test
  void theListNamesEachAttackWithItsSource() {
    CommandResult r = CommandResult.of("attack", "list");
    assertThat(r.status()).isZero();
    assertThat(r.out())
        .contains("wesee-skip", "CVE-2024-25742", "heckler-int80", "cachewarp", "CVE-2023-20592");
  }

  @Test
  void anAttackThatIsWithstoodEndsWithStatusZero() {
    CommandResult r = CommandResult.of("attack", "wesee-early-dr7", "msr-code");
    assertThat(r.status()).as(r.err()).isZero();
    assertThat(r.out())
        .contains("wesee-early-dr7: defended: asks to be ended, 0:0")
        .contains("msr-code: defended")
        .contains("locore: 2 attacks, vulnerable to 0 (0 new)");
  }

  @Test
  void aWeaknessEndsWithStatusFourUnlessItIsKnown() throws IOException {
    String attack = "cpuid-rdrand";
    CommandResult found = CommandResult.of("attack", attack);
    assertThat(found.status()).isEqualTo(AttackCommand.WEAK);
    assertThat(found.out()).contains("cpuid-rdrand: vulnerable: takes the value", "RCX 0x");
    String baseline = folder.resolve("known.txt").toString();
    assertThat(CommandResult.of("attack", attack, "--write-baseline", baseline).status()).isZero();
    assertThat(Files.readAllLines(Path.of(baseline))).contains("locore/cpuid-rdrand");
    CommandResult known = CommandResult.of("attack", attack, "--baseline", baseline);
    assertThat(known.status()).as(known.out()).isZero();
    assertThat(known.out()).contains("vulnerable to 1 (0 new)");
  }

  @Test
  void resultsAreWrittenAsJunitSarifAndJson() throws IOException {
    Path xml = folder.resolve("a.xml");
    Path sarif = folder.resolve("a.sarif");
    Path json = folder.resolve("a.json");
    CommandResult r =
        CommandResult.of(
            "attack",
            "cpuid-rdrand",
            "msr-code",
            "crossline",
            "--report",
            xml.toString(),
            "--report",
            sarif.toString(),
            "--report",
            json.toString());
    assertThat(r.status()).isEqualTo(AttackCommand.WEAK);
    assertThat(Files.readString(xml))
        .contains("tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\"")
        .contains("<failure type=\"vulnerable\" message=\"takes the value\">");
    assertThat(Files.readString(sarif))
        .contains("\"version\":\"2.1.0\"", "\"ruleId\":\"cpuid-rdrand\"", "\"level\":\"error\"")
        .contains("\"vesper/v1\":\"locore/cpuid-rdrand\"")
        .doesNotContain("msr-code");
    assertThat(Files.readString(json))
        .contains("\"schema\":\"vesper.attacks/1\"", "\"verdict\":\"not applicable\"");
  }

  @Test
  void whatCannotBeAttackedIsRefusedInOneLine() {
    for (String[] line :
        new String[][] {
          {"attack"},
          {"attack", "no-such-attack"},
          {"attack", "--suite", "host"},
          {"attack", "msr-code", "--suite", "guest"},
          {"attack", "msr-code", "--report", "results.pdf"},
          {"attack", "msr-code", "-kernel", folder.resolve("none").toString()}
        }) {
      CommandResult r = CommandResult.of(line);
      assertThat(r.status()).as(String.join(" ", line)).isEqualTo(USAGE);
      assertThat(r.err().lines().filter(l -> !l.isBlank())).hasSize(1);
    }
  }
}
