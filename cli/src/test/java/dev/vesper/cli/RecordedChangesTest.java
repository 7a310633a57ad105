package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Recorded runs that somebody changes, and those that go on from a snapshot. */
final class RecordedChangesTest {
  /** Counts until memory says that it is over, and ends with a port's and a register's bits. */
  private static final String GUEST =
      """
          mov dword [0x190000], 0
      again:
          inc ebx
          cmp dword [0x190000], 0x55
          jne again
          in al, 0x61
          and al, 3
          add al, cl
          out 0xf4, al
      """;

  private static final String SAME = "the replay is the recorded run, to its end";

  @TempDir Path dir;

  @BeforeEach
  void image() throws IOException {
    Files.write(dir.resolve("guest"), FlatGuest.image(GUEST));
  }

  private CommandResult run(String command, String... more) {
    List<String> args = new ArrayList<>(List.of(command));
    if (command.equals("run")) {
      args.addAll(
          List.of(dir.resolve("guest").toString(), "--sev", "off", "-m", "16M", "-M", "pc"));
    }
    args.addAll(List.of("-serial", "none", "--timeout", "60"));
    args.addAll(Arrays.asList(more));
    return CommandResult.of(args.toArray(String[]::new));
  }

  private String file(String name) {
    return dir.resolve(name).toString();
  }

  private static String packet(String text) {
    int sum = 0;
    for (byte b : text.getBytes(StandardCharsets.US_ASCII)) {
      sum += b;
    }
    return "$%s#%02x".formatted(text, sum & 0xFF);
  }

  private static String ask(MonitorClient gdb, String text) throws IOException {
    gdb.say("+" + packet(text));
    gdb.until("$");
    return gdb.until("#");
  }

  @Test
  void whatDebuggerAndMonitorChangeIsDoneAgain() throws Exception {
    String[] options = {
      "-S",
      "-gdb",
      "unix:" + file("g"),
      "-monitor",
      "unix:" + file("m") + ",server,wait=off",
      "--record",
      file("r")
    };
    CompletableFuture<CommandResult> run =
        CompletableFuture.supplyAsync(
            () -> run("run", options), r -> Thread.ofPlatform().daemon().start(r));
    try (MonitorClient m = new MonitorClient(dir.resolve("m"));
        MonitorClient gdb = new MonitorClient(dir.resolve("g"))) {
      m.until(MonitorClient.PROMPT);
      assertThat(ask(gdb, "?")).contains("T05");
      m.ask("cont");
      while (m.ask("print $icount").equals("0\n")) {
        continue;
      }
      m.ask("stop");
      // RCX by a debugger, a port by a monitor, and memory, behind which it is over.
      assertThat(ask(gdb, "P2=2000000000000000")).isEqualTo("OK#");
      assertThat(m.ask("o /b 0x61 3")).isEmpty();
      assertThat(m.ask("savevm a")).contains("recording");
      assertThat(ask(gdb, "M190000,4:55000000")).isEqualTo("OK#");
      m.ask("cont");
      CommandResult r = run.get(60, TimeUnit.SECONDS);
      assertThat(r.status()).as(r.err()).isEqualTo(0x23 << 1 | 1);
    }
    for (String t : List.of("none", "native", "regions")) {
      CommandResult again = run("replay", file("r"), "--translator", t);
      assertThat(again.status()).as(again.err()).isEqualTo(0x23 << 1 | 1);
      assertThat(again.err()).contains(SAME);
    }
  }

  @Test
  void aRecordingBeginsWithASnapshotThatItNames() throws IOException {
    CommandResult first =
        run("run", "--snapshot-out", file("s"), "--snapshot-at", "1000", "--limit-insns", "5000");
    assertThat(first.status()).as(first.err()).isEqualTo(124);
    CommandResult second =
        run("run", "-loadvm", file("s"), "--limit-insns", "30M", "--record", file("r"));
    assertThat(second.status()).as(second.err()).isEqualTo(124);
    CommandResult again = run("replay", file("r"));
    assertThat(again.status()).as(again.err()).isEqualTo(124);
    assertThat(again.err()).contains(SAME + " after 30000000 instructions");
    byte[] other = Files.readAllBytes(dir.resolve("s"));
    other[other.length - 1] ^= 1;
    Files.write(dir.resolve("s"), other);
    CommandResult refused = run("replay", file("r"));
    assertThat(refused.status()).isEqualTo(2);
    assertThat(refused.err()).contains("is not the file of the recording: SHA-256");
  }

  @Test
  void aRecordedRunIsWrittenToASnapshotAndIsTheSameAgain() {
    CommandResult first =
        run(
            "run",
            "--snapshot-out",
            file("s"),
            "--snapshot-at",
            "12345",
            "--limit-insns",
            "1M",
            "--record",
            file("r"));
    assertThat(first.status()).as(first.err()).isEqualTo(124);
    assertThat(dir.resolve("s")).isRegularFile();
    CommandResult again = run("replay", file("r"));
    assertThat(again.err()).contains(SAME + " after 1000000 instructions");
    // A place that the run does not come to.
    List<String> early = new ArrayList<>(List.of("--snapshot-out", file("t")));
    early.addAll(List.of("--snapshot-at", "nowhere", "--limit-insns", "1M"));
    early.addAll(List.of("--record", file("r"), "--trace", file("t.jsonl")));
    CommandResult tooShort = run("run", early.toArray(String[]::new));
    assertThat(tooShort.err()).contains("there is no snapshot");
    assertThat(dir.resolve("t.jsonl")).content().containsOnlyOnce("\"kind\":\"end\"");
    again = run("replay", file("r"), "--trace", file("u.jsonl"));
    assertThat(again.err()).contains(SAME + " after 1000000 instructions");
    CommandResult refused = run("run", "--snapshot-out", file("t"), "--record", file("r"));
    assertThat(refused.status()).isEqualTo(2);
    assertThat(refused.err()).contains("add --snapshot-at N|SYMBOL");
  }

  @Test
  void aReportNamesTheRecordingByItsDigest() throws Exception {
    for (String again : List.of("run", "replay")) {
      List<String> args = new ArrayList<>(List.of(again));
      if (again.equals("run")) {
        args.addAll(List.of(file("guest"), "--sev", "es", "-m", "16M", "--limit-insns", "5000"));
        args.addAll(List.of("--record", file("r")));
      } else {
        args.add(file("r"));
      }
      args.addAll(List.of("--check", "--report", file("c.json"), "--report", file("c.md")));
      CommandResult r = CommandResult.of(args.toArray(String[]::new));
      String digest = Manifest.sha256(Files.readAllBytes(dir.resolve("r")));
      assertThat(r.err()).contains("recorded in " + file("r") + ", SHA-256 " + digest);
      assertThat(dir.resolve("c.json"))
          .content()
          .contains("\"recordingSha256\":\"" + digest + "\"");
      assertThat(dir.resolve("c.md")).content().contains("SHA-256 `" + digest + "`");
    }
  }
}
