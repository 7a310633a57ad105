package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.cli.gdb.GdbClient;
import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.spec.Outcome;
import java.net.SocketException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Runs of the command that a debugger takes part in. */
@Timeout(value = 2, unit = TimeUnit.MINUTES)
final class GdbRunTest {
  @TempDir Path dir;

  private static CompletableFuture<Integer> start(String line) {
    return CompletableFuture.supplyAsync(
        () -> Main.execute(line.split(" ")), Thread.ofPlatform().daemon()::start);
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
                .formatted(image, place));
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
    CompletableFuture<Integer> status = start("run -serial none -S -gdb unix:%s".formatted(place));
    try (GdbClient c = client(place, status)) {
      c.say("k");
      assertThat(status.get(30, TimeUnit.SECONDS)).isEqualTo(Outcome.QUIT);
    }
  }
}
