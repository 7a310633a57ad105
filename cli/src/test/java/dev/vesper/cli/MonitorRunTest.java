package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.Tools;
import dev.vesper.guest.FlatGuest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Runs that somebody talks to by a monitor or by QMP. */
final class MonitorRunTest {
  private static final String LOOP = "L: inc eax\nmov [0x300000], eax\njmp L";

  private static final List<String> LOOKS =
      List.of(
          "info registers -a",
          "info mem",
          "info tlb",
          "info pic",
          "info lapic",
          "info pci",
          "info mtree -f",
          "x/8i $pc",
          "xp /64xb 0x1000",
          "sev",
          "ghcb",
          "vmcb",
          "vmsa",
          "pages",
          "private 0x1000",
          "vc-list 20",
          "exchanges 5",
          "events 5",
          "time",
          "kaslr",
          "name");

  @TempDir Path dir;

  private Path image() throws IOException {
    Path p = dir.resolve("guest");
    Files.write(p, FlatGuest.image(LOOP));
    return p;
  }

  private static CompletableFuture<CommandResult> running(List<String> args) {
    return CompletableFuture.supplyAsync(
        () -> CommandResult.of(args.toArray(String[]::new)),
        r -> Thread.ofPlatform().daemon().start(r));
  }

  private static CommandResult result(CompletableFuture<CommandResult> run) throws Exception {
    return run.get(60, TimeUnit.SECONDS);
  }

  private List<String> loop(String... more) throws IOException {
    List<String> args =
        new ArrayList<>(List.of("run", "--sev", "es", "-m", "16M", "-serial", "none"));
    args.addAll(Arrays.asList(more));
    if (!args.contains("--timeout")) {
      // A client that waits in vain is told so by the end of the run.
      args.addAll(List.of("--timeout", "60"));
    }
    args.add(image().toString());
    return args;
  }

  private String place(String name) {
    return "unix:" + dir.resolve(name) + ",server,wait=off";
  }

  private static String state(Path summary) throws IOException {
    return Arrays.stream(Files.readString(summary).split("[,{}]"))
        .filter(w -> w.contains("state_hash") || w.contains("instructions"))
        .toList()
        .toString();
  }

  @ParameterizedTest
  @ValueSource(strings = {"off", "es", "snp"})
  void whoOnlyLooksChangesNothing(String mode) throws Exception {
    Path json = dir.resolve("r.json");
    List<String> args =
        new ArrayList<>(
            List.of("run", "--sev", mode, "-m", "64M", "-serial", "none", "--json=" + json));
    assertThat(CommandResult.of(args.toArray(String[]::new)).status()).isZero();
    String alone = state(json);
    args.addAll(List.of("-S", "-monitor", place("m")));
    CompletableFuture<CommandResult> run = running(args);
    int looks = 0;
    try (MonitorClient c = new MonitorClient(dir.resolve("m"))) {
      c.until(MonitorClient.PROMPT);
      LOOKS.forEach(l -> ask(c, l));
      c.ask("cont");
      while (!run.isDone()) {
        String said = ask(c, LOOKS.get(looks++ % LOOKS.size()));
        assertThat(said).doesNotContain("unknown command");
      }
    }
    CommandResult r = result(run);
    assertThat(r.status()).as(r.err()).isZero();
    assertThat(r.err()).doesNotContain("changed by commands");
    assertThat(state(json)).isEqualTo(alone);
  }

  private static String ask(MonitorClient c, String line) {
    try {
      return c.ask(line);
    } catch (IOException e) {
      return "";
    }
  }

  @Test
  void aGuestThatWaitsIsLetGoAndStopped() throws Exception {
    CompletableFuture<CommandResult> run = running(loop("-S", "-monitor", place("m")));
    try (MonitorClient c = new MonitorClient(dir.resolve("m"))) {
      assertThat(c.until(MonitorClient.PROMPT)).contains("type 'help' for more information");
      assertThat(c.ask("info status")).isEqualTo("VM status: paused (prelaunch)\n");
      assertThat(c.ask("print $icount")).isEqualTo("0\n");
      assertThat(c.ask("cont")).isEmpty();
      assertThat(c.ask("info status")).isEqualTo("VM status: running\n");
      while (c.ask("print $icount").equals("0\n")) {
        continue;
      }
      c.ask("stop");
      assertThat(c.ask("info status")).isEqualTo("VM status: paused\n");
      assertThat(c.ask("time")).isEqualTo(c.ask("time"));
      assertThat(c.ask("x y")).contains("invalid char 'y'");
      assertThat(c.ask("fly away")).isEqualTo("unknown command: 'fly away'\n");
      assertThat(c.ask("savevm a")).isEmpty();
      assertThat(c.ask("gpa2hva 0")).contains("there is none");
      assertThat(c.ask("memsave 0 16 f")).contains("--monitor-files DIR");
      assertThat(c.ask("o /b 0x80 1")).isEmpty();
      c.say("quit\n");
      CommandResult r = result(run);
      assertThat(r.status()).isEqualTo(130);
      assertThat(r.err())
          .contains("quit in the monitor")
          .contains("changed by commands of a monitor: o");
    }
    assertThat(dir.resolve("m")).doesNotExist();
  }

  /** A debugger's guest stands still for both, and what is asked for meanwhile is done. */
  @Test
  void aMonitorAndADebuggerShareAGuest() throws Exception {
    CompletableFuture<CommandResult> run =
        running(loop("-S", "-gdb", "unix:" + dir.resolve("g"), "-monitor", place("m")));
    try (MonitorClient c = new MonitorClient(dir.resolve("m"));
        MonitorClient gdb = new MonitorClient(dir.resolve("g"))) {
      c.until(MonitorClient.PROMPT);
      assertThat(c.ask("info status")).isEqualTo("VM status: paused (prelaunch)\n");
      gdb.say("$?#3f");
      assertThat(gdb.until("#")).contains("T05");
      c.ask("cont");
      while (c.ask("print $icount").equals("0\n")) {
        continue;
      }
      assertThat(c.ask("info status")).contains("running");
      gdb.say("\u0003");
      while (!c.ask("info status").equals("VM status: paused\n")) {
        continue;
      }
      assertThat(c.ask("time")).isEqualTo(c.ask("time"));
      c.ask("cont");
      assertThat(c.ask("info status")).contains("running");
      c.ask("stop");
      assertThat(c.ask("info status")).contains("paused");
      // info status, which gdb is told in hexadecimal.
      gdb.say("+$qRcmd,696e666f20737461747573#14");
      assertThat(gdb.until("OK#")).contains("O564d207374617475733a20706175736564");
      c.ask("quit");
    }
    assertThat(result(run).status()).isEqualTo(130);
  }

  @Test
  void programsSpeakQmp() throws Exception {
    CompletableFuture<CommandResult> run =
        running(loop("-S", "-qmp", place("q"), "-qmp", place("r")));
    try (MonitorClient c = new MonitorClient(dir.resolve("q"));
        MonitorClient other = new MonitorClient(dir.resolve("r"))) {
      assertThat(c.until("\n")).startsWith("{\"QMP\": {\"version\": {\"qemu\": {");
      assertThat(qmp(c, "'execute':'query-status'"))
          .contains("CommandNotFound", "qmp_capabilities");
      assertThat(qmp(c, "'execute':'qmp_capabilities','id':7"))
          .isEqualTo("{\"return\": {}, \"id\": 7}\r\n");
      assertThat(qmp(c, "'execute':'query-status','id':[1,{'a':null}]"))
          .contains("\"prelaunch\"", "\"running\": false", "\"id\": [1, {\"a\": null}]");
      assertThat(qmp(c, "'execute':'cont'")).contains("\"event\": \"RESUME\"");
      assertThat(c.until("\n")).isEqualTo("{\"return\": {}}\r\n");
      assertThat(
              qmp(
                  c,
                  "'execute':'human-monitor-command','arguments':{'command-line':'info status'}"))
          .startsWith("{\"return\": \"VM status: running\\u000d\\u000a\"}");
      assertThat(qmp(c, "'execute':'stop'")).contains("\"event\": \"STOP\"");
      assertThat(c.until("\n")).contains("return");
      assertThat(qmp(c, "'execute':'fly'"))
          .contains("CommandNotFound", "The command fly has not been found");
      assertThat(qmp(c, "'execute':'stop','arguments':{'x':1}"))
          .contains("Parameter 'x' is unexpected");
      assertThat(qmp(c, "'execute':'query-sev'")).contains("\"enabled\": true", "\"policy\": 5");
      assertThat(qmp(c, "'execute':'query-sev-capabilities'")).contains("\"cbitpos\": 51");
      assertThat(qmp(c, "'execute':'query-sev-launch-measure'")).contains("\"data\": \"");
      assertThat(
              qmp(
                  c,
                  "'execute':'sev-inject-launch-secret',"
                      + "'arguments':{'packet-header':'','secret':''}"))
          .contains("SEV: no secret area found in OVMF");
      c.say("nonsense\n");
      assertThat(c.until("\n")).contains("JSON parse error");
      other.until("\n");
      assertThat(qmp(other, "'execute':'qmp_capabilities'")).contains("return");
      qmp(c, "'execute':'quit'");
      assertThat(other.until("host-qmp-quit")).contains("\"SHUTDOWN\"", "\"guest\": false");
    }
    assertThat(result(run).status()).isEqualTo(130);
  }

  private static String qmp(MonitorClient c, String members) throws IOException {
    c.say("{" + members.replace('\'', '"') + "}\n");
    return c.until("\n");
  }

  @Test
  void filesAreWrittenInTheFolderThatWasNamed() throws Exception {
    Path files = Files.createDirectory(dir.resolve("files"));
    Files.createSymbolicLink(files.resolve("link"), dir.resolve("elsewhere"));
    CompletableFuture<CommandResult> run =
        running(loop("-S", "-monitor", place("m"), "--monitor-files", files.toString()));
    try (MonitorClient c = new MonitorClient(dir.resolve("m"))) {
      c.until(MonitorClient.PROMPT);
      assertThat(c.ask("pmemsave 0x100000 4096 p")).isEmpty();
      assertThat(c.ask("memsave 0x100000 64 \"" + files.resolve("m") + "\"")).isEmpty();
      assertThat(c.ask("dump-guest-memory core")).isEmpty();
      assertThat(c.ask("trace on t")).isEmpty();
      assertThat(c.ask("trace off")).isEmpty();
      for (String elsewhere : List.of("../x", "/tmp/x", "link", "..", ".", "link/x", "")) {
        assertThat(c.ask("pmemsave 0 16 \"" + elsewhere + "\"")).as(elsewhere).isNotEmpty();
      }
      assertThat(c.ask("pmemsave 0x7f000000 16 q")).contains("Invalid addr");
      assertThat(c.ask("screendump s")).contains("-vga std");
      c.ask("quit");
    }
    assertThat(result(run).status()).isEqualTo(130);
    assertThat(dir.resolve("elsewhere")).doesNotExist();
    assertThat(files.resolve("q")).doesNotExist();
    byte[] code = Files.readAllBytes(files.resolve("p"));
    assertThat(Files.readAllBytes(files.resolve("m"))).isEqualTo(Arrays.copyOf(code, 64));
    // The code in plaintext, where a core of 16 MiB has it behind its notes.
    byte[] core = Files.readAllBytes(files.resolve("core"));
    int from = core.length - (16 << 20) + 0x100000;
    assertThat(Arrays.copyOfRange(core, from, from + 4096)).isEqualTo(code);
    assertThat(code).startsWith(0xFF, 0xC0);
    assertThat(Arrays.copyOf(core, 4)).containsExactly(0x7F, 'E', 'L', 'F');
  }

  /** Clients that mean harm hold up neither the run nor each other, and nothing says Exception. */
  @Test
  void hostileClientsAreBorne() throws Exception {
    CompletableFuture<CommandResult> run =
        running(loop("-monitor", place("m"), "-qmp", place("q"), "--timeout", "2"));
    List<MonitorClient> all = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      all.add(new MonitorClient(dir.resolve(i % 2 == 0 ? "m" : "q")));
    }
    Thread deaf = Thread.startVirtualThread(() -> repeat(all.get(0), "help\ninfo registers\n"));
    Thread long0 = Thread.startVirtualThread(() -> repeat(all.get(2), "x".repeat(100_000)));
    Thread half = Thread.startVirtualThread(() -> repeat(all.get(1), "{\"execute\": [[[["));
    Thread noise = Thread.startVirtualThread(() -> repeat(all.get(3), "\u0000\u00ff}{\n\"\n"));
    MonitorClient good = all.get(4);
    good.until(MonitorClient.PROMPT);
    assertThat(good.ask("info status")).contains("running");
    CommandResult r = result(run);
    assertThat(r.status()).as(r.err()).isEqualTo(124);
    assertThat(r.err()).contains("time limit").doesNotContain("Exception", "\tat ");
    for (MonitorClient c : all) {
      c.close();
    }
    for (Thread t : List.of(deaf, long0, half, noise)) {
      t.join();
    }
  }

  private static void repeat(MonitorClient c, String text) {
    try {
      for (int i = 0; i < 1_000_000; i++) {
        c.say(text);
      }
    } catch (IOException e) {
      // It has been put out, or the run is over.
      return;
    }
  }

  @ParameterizedTest
  @CsvSource({
    "-monitor stdio, Ctrl-A c",
    "-qmp stdio, -serial is there",
    "-monitor stdio -qmp stdio -serial none, -monitor is there",
    "-monitor stdio -gdb stdio -serial none, -gdb is there",
    "'-monitor tcp:0.0.0.0:4444,server', only 127.0.0.1",
    "-qmp pipe, 'unix:PATH'",
    "--monitor-files no-such-folder, is no folder",
    "-S, nobody could let the guest go on"
  })
  void oneLineSaysWhyNot(String options, String why) {
    CommandResult r = CommandResult.of(("run " + options).split(" "));
    assertThat(r.status()).isEqualTo(2);
    assertThat(r.err()).contains(why).containsOnlyOnce("\n");
  }

  /** As those who drive machines write it: Python's asyncio, with nothing of ours. */
  @Test
  void aProgramInPythonDrivesARun() throws Exception {
    Tools.need("python3", "python3");
    CompletableFuture<CommandResult> run =
        running(loop("-S", "-qmp", place("q"), "-monitor", place("m")));
    Path script = dir.resolve("drive.py");
    try (var in = MonitorRunTest.class.getResourceAsStream("monitor/drive.py")) {
      Files.write(script, in.readAllBytes());
    }
    String said =
        Tools.run(
            "python3", script.toString(), dir.resolve("q").toString(), dir.resolve("m").toString());
    assertThat(said.lines())
        .containsExactly(
            "prelaunch", "RESUME", "running", "VM status: running", "STOP", "paused", "SHUTDOWN");
    assertThat(result(run).status()).isEqualTo(130);
  }
}
