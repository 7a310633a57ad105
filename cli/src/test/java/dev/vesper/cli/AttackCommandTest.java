package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.Locore;
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

  /** {@return a file with a reference guest that believes a host which hides RDRAND} */
  private String weak() throws IOException {
    byte[] image = Locore.image("    test edx, 0x40000000\n    je vc_terminate32\n", "");
    return Files.write(folder.resolve("weak.elf"), image).toString();
  }

  @Test
  void aWeaknessEndsWithStatusFourUnlessItIsKnown() throws IOException {
    String attack = "cpuid-rdrand";
    String kernel = weak();
    CommandResult found = CommandResult.of("attack", attack, "-kernel", kernel);
    assertThat(found.status()).isEqualTo(AttackCommand.WEAK);
    assertThat(found.out()).contains("cpuid-rdrand: vulnerable: takes the value", "RCX 0x");
    String baseline = folder.resolve("known.txt").toString();
    CommandResult written =
        CommandResult.of("attack", attack, "-kernel", kernel, "--write-baseline", baseline);
    assertThat(written.status()).as(written.err()).isZero();
    assertThat(Files.readAllLines(Path.of(baseline)))
        .anyMatch(l -> l.endsWith("weak.elf/cpuid-rdrand"));
    CommandResult known =
        CommandResult.of("attack", attack, "-kernel", kernel, "--baseline", baseline);
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
            "es-beside-snp",
            "-kernel",
            weak(),
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
        .contains("weak.elf/cpuid-rdrand\"")
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
