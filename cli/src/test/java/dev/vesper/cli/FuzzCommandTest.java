package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.vesper.fuzz.store.CampaignStoreProvider;
import dev.vesper.guest.Locore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.ServiceLoader;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code vesper fuzz}, as a command. */
final class FuzzCommandTest {
  @TempDir Path dir;

  private static void refused(String what, String... line) {
    CommandResult r = CommandResult.of(line);
    assertThat(r.status()).as(r.err()).isEqualTo(2);
    assertThat(r.err()).startsWith("vesper: ").contains(what);
    assertThat(r.err().lines()).hasSize(1);
  }

  @Test
  void aCampaignLeavesItsDirectoryAndGoesOnOnlyIfItIsToldTo() throws IOException {
    String d = dir.resolve("c").toString();
    List<String> words =
        List.of("fuzz", "-smp", "1", "-m", "64M", "--from", "13000", "--limit-insns", "20000");
    String[] line = words.toArray(new String[0]);
    CommandResult r = CommandResult.of(with(line, "--executions", "40", "--workers", "1", "-o", d));
    assertThat(r.status()).as(r.err()).isZero();
    assertThat(r.out()).startsWith("40 executions in ");
    assertThat(Path.of(d)).isDirectoryContaining("glob:**/{queue,crashes,hangs}");
    assertThat(Files.readString(Path.of(d, "fuzzer_stats"))).contains("execs_done        : 40\n");
    assertThat(Files.readString(Path.of(d, "plot_data"))).startsWith("# relative_time, ");
    refused("--resume", with(line, "-o", d, "--executions", "1", "--workers", "1"));
    CommandResult page = CommandResult.of("fuzz", "html", d);
    assertThat(page.status()).as(page.err()).isZero();
    assertThat(Files.readString(Path.of(d, "index.html"))).contains("<svg");
  }

  private static String[] with(String[] line, String... more) {
    String[] all = java.util.Arrays.copyOf(line, line.length + more.length);
    System.arraycopy(more, 0, all, line.length, more.length);
    return all;
  }

  @Test
  void certificatesAreMadeForEachMember() throws IOException {
    String d = dir.resolve("keys").toString();
    CommandResult r = CommandResult.of("fuzz", "certs", d, "--member", "a", "--member", "b");
    assertThat(r.status()).as(r.err()).isZero();
    assertThat(r.out().lines())
        .containsExactly(
            d + "/authority.crt",
            d + "/authority.key",
            d + "/a.crt",
            d + "/a.key",
            d + "/b.crt",
            d + "/b.key");
    refused("a.crt is there already", "fuzz", "certs", d, "--member", "a");
    refused("name the members", "fuzz", "certs", d);
    refused("takes one directory", "fuzz", "certs");
  }

  @Test
  void whatIsSharedNeedsAModuleThatIsNotThereAlways() {
    String d = dir.resolve("shared").toString();
    refused("--tls is for a campaign", "fuzz", "--tls", "keys", "-o", d);
    refused("--member takes", "fuzz", "--listen", "127.0.0.1:7799", "--member", "a/b", "-o", d);
    // The command is without that module, unless somebody has put it on this test's path.
    assumeTrue(ServiceLoader.load(CampaignStoreProvider.class).findFirst().isEmpty());
    refused("need module campaign", "fuzz", "--listen", "127.0.0.1:7799", "-o", d);
  }

  /** A guest with a network and a folder is executed, and neither leads out of the machine. */
  @Test
  void networkAndFolderOfACampaignLeadNowhere() throws IOException {
    Path folder = Files.createDirectory(dir.resolve("shared"));
    Files.writeString(folder.resolve("file"), "as it was");
    String share = "path=" + folder + ",tag=x";
    String d = dir.resolve("c").toString();
    String[] line = {"fuzz", "-smp", "1", "-m", "64M", "--from", "13000", "--workers", "2"};
    String[] more = {"--limit-insns", "20000", "--executions", "20", "-nic", "user"};
    CommandResult r = CommandResult.of(with(with(line, more), "--share", share, "-o", d));
    assertThat(r.status()).as(r.err()).isZero();
    assertThat(r.out()).startsWith("20 executions in ");
    refused("reach nobody outside", "fuzz", "-nic", "user,hostfwd=tcp::2222-:22", "-o", d + 1);
    refused(
        "reach nobody outside",
        "fuzz",
        "-nic",
        "user,guestfwd=tcp:10.0.2.2:8000-tcp:127.0.0.1:8000",
        "-o",
        d + 1);
    refused("-nic takes none or user", "fuzz", "-nic", "tap", "-o", d + 1);
    refused("cannot share", "fuzz", "--share", "path=" + dir.resolve("no") + ",tag=x", "-o", d + 1);
    refused("use kvm", "fuzz", "--profile", "openbsd", "--share", share, "-o", d + 1);
    refused("cannot write", "fuzz", "--share", share, "-o", folder.resolve("c").toString());
    try (Stream<Path> s = Files.list(folder)) {
      assertThat(s).containsExactly(folder.resolve("file"));
    }
  }

  @Test
  void aFindingIsAScriptOfARunAndCanBeRecorded() throws IOException {
    Path image =
        Files.write(
            dir.resolve("planted"),
            Locore.withMain(
                """
                  mov eax, 0x40000001
                  cpuid
                  cmp ebx, -1
                  jne planted_done
                planted_fault:
                  lidt [planted_none]
                  ud2
                planted_done:
                  mov al, 0x10
                  out 0xf4, al
                  hlt
                planted_none: dq 0, 0
                """));
    String[] guest = {"-kernel", image.toString(), "-cpu", "vesper-min,+xsave", "-m", "64M"};
    String d = dir.resolve("c").toString();
    String[] fuzz = with(new String[] {"fuzz"}, guest);
    CommandResult r =
        CommandResult.of(
            with(
                with(fuzz, "--from", "main", "--only", "cpuid", "--limit-insns", "100000"),
                "--executions",
                "60",
                "--workers",
                "1",
                "--fail-on-crash",
                "-o",
                d));
    assertThat(r.status()).as(r.out() + r.err()).isEqualTo(4);
    String crash;
    try (Stream<Path> s = Files.list(Path.of(d, "crashes"))) {
      crash = s.findFirst().orElseThrow().toString();
    }
    CommandResult shown = CommandResult.of("fuzz", "show", crash);
    assertThat(shown.status()).as(shown.err()).isZero();
    assertThat(shown.out()).contains("now: the same", "in planted_fault", "rbx = 0xffffffff");
    CommandResult smaller = CommandResult.of("fuzz", "min", crash);
    assertThat(smaller.status()).as(smaller.err()).isZero();
    assertThat(smaller.out()).contains("1 changes before, 1 now");
    String recording = dir.resolve("crash.rec").toString();
    String[] run = with(new String[] {"run", "-serial", "none"}, guest);
    CommandResult again = CommandResult.of(with(run, "--hostile", crash, "--record", recording));
    assertThat(again.status()).as(again.err()).isEqualTo(5);
    assertThat(again.err()).contains("fired once").contains("triple fault");
    CommandResult replayed = CommandResult.of("replay", recording);
    assertThat(replayed.status()).as(replayed.err()).isEqualTo(5);
  }

  @Test
  void mistakesAreToldInALine() throws IOException {
    String d = dir.resolve("d").toString();
    refused("-o DIR", "fuzz");
    refused("--sev es or snp", "fuzz", "--sev", "off", "-o", d);
    refused("--only", "fuzz", "--only", "cpu", "-o", d);
    refused("--from", "fuzz", "--from", "1x", "-o", d);
    refused("--workers", "fuzz", "--workers", "0", "-o", d);
    refused("at least 1 instruction", "fuzz", "--limit-insns", "0", "-o", d);
    refused("takes one file", "fuzz", "show");
    refused("plot_data", "fuzz", "html", dir.toString());
    Path crash = Files.createDirectories(dir.resolve("x/crashes")).resolve("id_000000,a");
    refused("cannot read", "fuzz", "show", crash.toString());
    Files.writeString(crash, "when vmgexit 1\n");
    refused("no finding", "fuzz", "show", crash.toString());
    Files.writeString(crash, "# vesper finding 1\n# kind: oops\n");
    refused("command line of the campaign", "fuzz", "min", crash.toString());
    Files.writeString(dir.resolve("x/cmdline"), "show\nx\n");
    refused("not the command line", "fuzz", "min", crash.toString());
    Files.writeString(dir.resolve("x/cmdline"), "--no-such\n");
    refused("not the command line", "fuzz", "min", crash.toString());
  }
}
