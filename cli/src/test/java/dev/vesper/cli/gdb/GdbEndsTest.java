package dev.vesper.cli.gdb;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Clients that come, go and stay while a guest's life begins and ends. */
@Timeout(value = 2, unit = TimeUnit.MINUTES)
final class GdbEndsTest {
  private static final String COUNTS = "again: inc rax\njmp short again\n";

  @TempDir Path dir;

  private static Machine machine(SevMode mode, String source) throws Exception {
    return new Machine(
        MachineSpec.builder(mode, FlatGuest.image(source), b -> {}).memoryBytes(64 << 20).build());
  }

  private static CompletableFuture<Outcome> start(GdbServer server, Machine m) {
    CompletableFuture<Outcome> ended = new CompletableFuture<>();
    Thread t =
        new Thread(
            () -> {
              try {
                ended.complete(server.run(m, () -> null, () -> {}));
              } catch (RuntimeException | Error e) {
                ended.completeExceptionally(e);
              }
            });
    t.setDaemon(true);
    t.start();
    return ended;
  }

  @Test
  void whoHasDetachedIsNotWaitedForWhenTheGuestDies() throws Exception {
    try (GdbSession s = new GdbSession(dir, SevMode.ES, "mov eax, 0x1234\ncpuid\nhlt\n")) {
      assertThat(s.ask("?")).startsWith("T05");
      assertThat(s.ask("D")).isEqualTo("OK");
      assertThat(s.outcome().status()).isEqualTo(Outcome.SHUTDOWN);
    }
  }

  @Test
  void anAnswerThatWasNotHeardIsGivenAgainWhileTheGuestRuns() throws Exception {
    try (GdbSession s = new GdbSession(dir, SevMode.ES, COUNTS)) {
      String rip = s.ask("p10");
      s.say("c");
      s.raw(Packets.text("-"));
      assertThat(s.answer()).isEqualTo(rip);
      s.raw(Packets.text("-"));
      assertThat(s.answer()).isEqualTo(rip);
      s.raw(new byte[] {3});
      assertThat(s.answer()).startsWith("T02");
    }
  }

  /** As a scanner of ports does, or another run that looks whether the socket is in use. */
  @Test
  void aVisitorWhoSaysNothingStopsNothing() throws Exception {
    Path place = dir.resolve("gdb");
    try (Machine m = machine(SevMode.ES, "mov ecx, 60000000\nl: dec ecx\njnz l\nud2\n");
        ServerSocketChannel l = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      l.bind(UnixDomainSocketAddress.of(place));
      try (GdbServer server = GdbServer.over(l, false)) {
        CompletableFuture<Outcome> ended = start(server, m);
        for (int i = 0; i < 5; i++) {
          SocketChannel.open(UnixDomainSocketAddress.of(place)).close();
        }
        assertThat(ended.get(30, TimeUnit.SECONDS).status()).isEqualTo(Outcome.SHUTDOWN);
      }
    }
  }

  /** A launch takes its time. Nothing else would have this guest's run come back. */
  @Test
  void whoComesDuringTheLaunchIsHeard() throws Exception {
    Path place = dir.resolve("gdb");
    try (Machine m = machine(SevMode.ES, COUNTS);
        ServerSocketChannel l = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      l.bind(UnixDomainSocketAddress.of(place));
      try (GdbServer server = GdbServer.over(l, false);
          GdbClient c = new GdbClient(place)) {
        c.say("?");
        c.raw(Packets.text("$g#00"));
        assertThat(c.read()).isEqualTo('+');
        assertThat(c.read()).as("all before it has been heard").isEqualTo('-');
        CompletableFuture<Outcome> ended = start(server, m);
        assertThat(c.answer()).startsWith("T05");
        c.say("k");
        assertThat(ended.get(30, TimeUnit.SECONDS).status()).isEqualTo(Outcome.QUIT);
      }
    }
  }
}
