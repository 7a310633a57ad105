package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.cli.gdb.GdbClient;
import dev.vesper.guest.FlatGuest;
import dev.vesper.guest.Locore;
import dev.vesper.machine.spec.Outcome;
import java.io.IOException;
import java.net.SocketException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Runs of the command that a debugger takes part in. */
@Timeout(value = 2, unit = TimeUnit.MINUTES)
final class GdbRunTest {
  @TempDir Path dir;

  private static CompletableFuture<Integer> start(String... line) {
    return CompletableFuture.supplyAsync(
        () -> Main.execute(line), Thread.ofPlatform().daemon()::start);
  }

  /** {@return a client, as soon as somebody listens} */
  private static GdbClient client(Path place, CompletableFuture<Integer> status) throws Exception {
    for (; ; ) {
      assertThat(status).isNotDone();
      try {
        return new GdbClient(place);
      } catch (SocketException e) {
        Thread.sleep(20);
      }
    }
  }

  /** What {@code vesper run} does with a guest that is off, and with who wants to look at it. */
  @Test
  void aGuestThatIsOffIsKeptForWhoeverComes() throws Exception {
    Path image = dir.resolve("image");
    Files.write(image, FlatGuest.image("mov al, 0xfe\nout 0x64, al\nhlt\n"));
    Path place = dir.resolve("gdb");
    CompletableFuture<Integer> status =
        start(
            "run --sev off %s -serial none -no-reboot -no-shutdown -S -gdb unix:%s"
                .formatted(image, place)
                .split(" "));
    try (GdbClient c = client(place, status)) {
      assertThat(c.ask("?")).startsWith("T05");
      c.say("c");
      assertThat(c.answer()).startsWith("O" + "7665737065723a20");
      assertThat(c.answer()).startsWith("T03");
      assertThat(c.register(16)).isGreaterThan(0x10_0000);
      c.say("c");
      assertThat(c.answer()).as("it cannot go on").startsWith("O");
      assertThat(c.answer()).startsWith("T03");
      c.connectAgain();
      assertThat(c.ask("D")).isEqualTo("OK");
      c.connectAgain();
      assertThat(c.ask("g")).hasSizeGreaterThan(100);
      c.say("k");
      assertThat(status.get(30, TimeUnit.SECONDS)).isEqualTo(Outcome.QUIT);
    }
  }

  private static final String RULE = "register-leak";

  /** A rule that the guest keeps. */
  private static final String OTHER = "scratch-valid";

  /** {@return a run of the reference guest, in which CPUID leaks RBX} */
  private String[] run(String options) throws IOException {
    String leaks = "    mov edi, GHCB_RBX\n    call sync_out_val\n";
    String cpuid = "    mov edi, GHCB_RCX\n    call sync_out_val\n";
    Path image = dir.resolve("image");
    if (!Files.exists(image)) {
      Files.write(
          image,
          Locore.variant("", Map.of(cpuid + "    cmp dword", cpuid + leaks + "    cmp dword")));
    }
    return ("run --sev es -serial none " + image + " " + options).split(" ");
  }

  /** {@return what a run says, whatever the computer is busy with} */
  private static String err(CommandResult r) {
    return r.err().replaceAll("vesper: the guest has printed nothing .*\n", "");
  }

  @Test
  void aRunEndsAtTheFirstBreachOfARule() throws Exception {
    CommandResult whole = CommandResult.of(run("--check"));
    CommandResult cut = CommandResult.of(run("--check --break-on any"));
    assertThat(cut.status()).isEqualTo(CheckOptions.VIOLATIONS);
    assertThat(cut.err()).contains("--break-on: breach of " + RULE + " at 0x");
    assertThat(whole.err()).doesNotContain("--break-on");
    assertThat(err(CommandResult.of(run("--check --break-on " + RULE)))).isEqualTo(err(cut));
    CommandResult other = CommandResult.of(run("--check --break-on " + OTHER));
    assertThat(err(other)).isEqualTo(err(whole));
  }

  @Test
  void aRunThatWritesASnapshotEndsAtABreachToo() throws Exception {
    String cut = CommandResult.of(run("--check --break-on any")).err();
    String breach = cut.lines().filter(l -> l.contains("--break-on: ")).findFirst().orElseThrow();
    Path file = dir.resolve("snapshot");
    String out = " --snapshot-out " + file;
    CommandResult placed = CommandResult.of(run("--check --break-on any --snapshot-at 1000" + out));
    assertThat(placed.err()).contains("snapshot of 1000 instructions", breach);
    assertThat(placed.status()).isEqualTo(CheckOptions.VIOLATIONS);
    CommandResult before = CommandResult.of(run("--check --break-on any --snapshot-at 900M" + out));
    assertThat(before.err()).contains("there is no snapshot", breach);
    CommandResult there = CommandResult.of(run("--check --break-on any" + out));
    assertThat(there.status()).isEqualTo(CheckOptions.VIOLATIONS);
    assertThat(there.err()).contains("go on with -loadvm", breach);
    CommandResult on = CommandResult.of(run("--check --break-on any -loadvm " + file));
    assertThat(on.err()).as("what was found before ends no run").doesNotContain(breach);
    assertThat(on.status()).isEqualTo(CheckOptions.VIOLATIONS);
    assertThat(err(CommandResult.of(run("--check -loadvm " + file))))
        .isEqualTo(err(CommandResult.of(run("--check"))));
  }

  @Test
  void aDebuggerStandsAtTheFirstBreach() throws Exception {
    Path place = dir.resolve("gdb");
    CompletableFuture<Integer> status =
        start(run("--check --break-on " + RULE + " -S -gdb unix:" + place));
    try (GdbClient c = client(place, status)) {
      assertThat(c.ask("?")).startsWith("T05");
      assertThat(c.monitor("stop-on breach nothing")).contains("vesper check --rules");
      assertThat(c.monitor("stop-on breach " + OTHER)).contains("stopped at breach " + OTHER);
      c.say("c");
      String breach =
          HexFormat.of().formatHex(("vesper: breach of " + RULE).getBytes(StandardCharsets.UTF_8));
      assertThat(c.answer()).startsWith("O" + breach);
      assertThat(c.answer()).startsWith("T05");
      c.say("k");
      assertThat(status.get(30, TimeUnit.SECONDS)).isIn(Outcome.QUIT, CheckOptions.VIOLATIONS);
    }
  }

  /** {@return what the guest has stopped at, and where} */
  private static String stop(GdbClient c, String how) throws IOException {
    c.say(how);
    String said = "";
    String answer = c.answer();
    for (; answer.startsWith("O"); answer = c.answer()) {
      said += new String(GdbClient.bytes(answer.substring(1)), StandardCharsets.UTF_8);
    }
    return said + answer + " " + c.monitor("x/2i $pc") + c.monitor("exchange-log 1");
  }

  /** A checker is told of each event once; where it has found what is known all the same. */
  @ParameterizedTest
  @CsvSource({
    "--break-on register-leak, ''",
    "'', stop-on breach",
    "'', stop-on breach register-leak"
  })
  void aGuestThatGoesBackStandsAtTheBreach(String option, String command) throws Exception {
    Path place = dir.resolve("gdb");
    CompletableFuture<Integer> status =
        start(run(("--check " + option).strip() + " -S -gdb unix:" + place));
    try (GdbClient c = client(place, status)) {
      assertThat(c.ask("?")).startsWith("T05");
      assertThat(c.monitor("exchange-log 1")).startsWith("0 exchanges");
      if (!command.isEmpty()) {
        c.monitor(command);
      }
      String breach = stop(c, "c");
      assertThat(breach).startsWith("vesper: breach of " + RULE + " at 0x").contains("T05");
      String number = breach.replaceFirst("(?s).*\n(\\d+) exchanges.*", "$1");
      c.monitor("stop-on exchange " + (Integer.parseInt(number) + 20));
      String far = stop(c, "c");
      assertThat(far).startsWith("vesper: GhcbExchange");
      c.monitor("stop-off exchange " + (Integer.parseInt(number) + 20));
      for (int i = 0; i < 2; i++) {
        assertThat(stop(c, "bc")).isEqualTo(breach);
        if (i == 0) {
          assertThat(stop(c, "s")).isNotEqualTo(breach);
        }
      }
      assertThat(stop(c, "bc")).contains("replaylog:begin").doesNotContain("breach");
      assertThat(stop(c, "c")).as("forwards again").isEqualTo(breach);
      c.say("k");
      assertThat(status.get(30, TimeUnit.SECONDS)).isIn(Outcome.QUIT, CheckOptions.VIOLATIONS);
    }
  }

  @Test
  void gdbsCommandsArePrintedOrWritten() throws Exception {
    CommandResult printed = CommandResult.of("gdb-script");
    assertThat(printed.status()).isZero();
    Path f = dir.resolve("vesper.py");
    CommandResult written = CommandResult.of("gdb-script", "-o", f.toString());
    assertThat(written.status()).isZero();
    assertThat(written.out()).isEmpty();
    assertThat(f).content().isEqualTo(printed.out()).contains("class Exchange(gdb.Command)");
    CommandResult lost = CommandResult.of("gdb-script", "-o", dir.resolve("no/f").toString());
    assertThat(lost.status()).isEqualTo(Outcome.USAGE);
    assertThat(lost.err()).contains("no/f").containsOnlyOnce("\n");
  }

  /** Whoever debugs it would be cut off from all that follows. */
  @Test
  void theSocketOfALiveRunIsLeftToIt() throws Exception {
    Path place = dir.resolve("gdb");
    try (ServerSocketChannel l = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      l.bind(UnixDomainSocketAddress.of(place));
      CommandResult r = CommandResult.of("run", "-serial", "none", "-S", "-gdb", "unix:" + place);
      assertThat(r.status()).isEqualTo(Outcome.USAGE);
      assertThat(r.err()).contains("another program listens there").containsOnlyOnce("\n");
      assertThat(place).exists();
    }
    assertThat(place).as("what a run that was ended has left").exists();
    CompletableFuture<Integer> status =
        start("run", "-serial", "none", "-S", "-gdb", "unix:" + place);
    try (GdbClient c = client(place, status)) {
      c.say("k");
      assertThat(status.get(30, TimeUnit.SECONDS)).isEqualTo(Outcome.QUIT);
    }
  }
}
