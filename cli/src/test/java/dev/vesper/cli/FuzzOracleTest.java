package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.Locore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code vesper fuzz --oracle}, as a command. */
final class FuzzOracleTest {
  /** On a flag of its host's, it says by a port what lies in its key, and goes on. */
  private static final String SAYS_KEY =
      """
        mov eax, 0x40000001
        cpuid
        test ebx, ebx
        jns says_no
        mov rdx, says_key
        mov rax, [rdx]
        mov edx, 0x80
        out dx, eax
      says_no:
        mov al, 0x10
        out 0xf4, al
        hlt
      says_key: dq 0x7c3ed1950a6b82f4
      """;

  @TempDir Path dir;

  private List<String> guest() throws IOException {
    Path image = Files.write(dir.resolve("says"), Locore.withMain(SAYS_KEY));
    return List.of("-kernel", image.toString(), "-cpu", "vesper-min,+xsave", "-m", "64M");
  }

  private static CommandResult command(List<String> guest, String line) {
    Stream<String> words = Stream.of(line.split(" ", -1));
    List<String> all = Stream.concat(words, guest.stream()).toList();
    return CommandResult.of(all.toArray(new String[0]));
  }

  @Test
  void aLeakIsKeptAndDoneAgainAndShownAsACrashIs() throws IOException {
    String d = dir.resolve("c").toString();
    CommandResult r =
        command(
            guest(),
            "fuzz --oracle cbit,rip,leak,secret=says_key --from main --only cpuid --fail-on-crash"
                + " --limit-insns 20000 --executions 100 --workers 1 -o "
                + d);
    assertThat(r.status()).as(r.out() + r.err()).isEqualTo(4);
    assertThat(Files.readString(Path.of(d, "fuzzer_stats")))
        .containsPattern("execs_followed    : [1-9]")
        .contains("pending_followed  : ");
    Path leak = null;
    try (Stream<Path> s = Files.list(Path.of(d, "crashes"))) {
      for (Path p : s.sorted().toList()) {
        leak = Files.readString(p).contains("# title: leak: says_key -> GHCB RAX") ? p : leak;
      }
    }
    assertThat(leak).isNotNull();
    CommandResult shown = CommandResult.of("fuzz", "show", String.valueOf(leak));
    assertThat(shown.status()).as(shown.out() + shown.err()).isZero();
    assertThat(shown.out())
        .contains("found: leak: leak: says_key", "now: the same", "in vc_exchange");
    CommandResult smaller = CommandResult.of("fuzz", "min", String.valueOf(leak));
    assertThat(smaller.status()).as(smaller.err()).isZero();
    assertThat(smaller.out()).contains("1 changes before, 1 now");
    assertThat(CommandResult.of("fuzz", "html", d).status()).isZero();
    assertThat(Files.readString(Path.of(d, "index.html"))).contains("leak: leak: says_key -&gt;");
    CommandResult run =
        command(
            guest(),
            "run -serial none --oracle leak,secret=says_key --fail-on leak --hostile " + leak);
    assertThat(run.status()).as(run.err()).isEqualTo(4);
    assertThat(run.err()).contains("oracle: leak: says_key -> GHCB RAX");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--oracle all | takes cbit, rip, leak, taint, secret=SYMBOL or secret=ADDRESS+LENGTH, not",
        "--oracle leak,from=1 | not 'from=1'",
        "--oracle , | takes cbit, rip, leak and taint",
        "--oracle rip,secret=key | add leak",
        "--oracle leak,secret=0x1000 | say ADDRESS+LENGTH",
        "--oracle cbit --sev off | --sev es or snp",
        "--oracle leak --sev sev | --sev es or snp"
      })
  void whatMakesNoSenseIsRefusedInALine(String said, String why) {
    CommandResult r = command(List.of(), "fuzz " + said + " -o " + dir.resolve("d"));
    assertThat(r.status()).as(r.err()).isEqualTo(2);
    assertThat(r.err()).startsWith("vesper: ").contains(why);
    assertThat(r.err().lines()).hasSize(1);
  }
}
