package dev.vesper.cli.gdb;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
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

  /** Lets a guest run, has it go back, and is gone when it does. */
  private static final class Deserter extends InputStream {
    private static final long FAR = 30_000_000;

    private final Machine machine;
    private int said;

    Deserter(Machine machine) {
      this.machine = machine;
    }

    @Override
    public int read() {
      throw new UnsupportedOperationException("a channel reads more at a time");
    }

    @Override
    public int read(byte[] b, int from, int length) throws IOException {
      byte[] next =
          switch (said++) {
            case 0 -> Packets.framed(Packets.text("Z0,dead,1"));
            case 1 -> Packets.framed(Packets.text("c"));
            case 2 -> {
              await(() -> machine.instructions() > FAR);
              yield new byte[] {3};
            }
            case 3 -> Packets.framed(Packets.text("bc"));
            default -> {
              await(() -> machine.instructions() < FAR);
              yield new byte[0];
            }
          };
      System.arraycopy(next, 0, b, from, next.length);
      return next.length == 0 ? -1 : next.length;
    }

    private static void await(BooleanSupplier is) throws IOException {
      try {
        while (!is.getAsBoolean()) {
          Thread.sleep(1);
        }
      } catch (InterruptedException e) {
        throw new IOException(e);
      }
    }
  }

  /** As behind gdb's {@code target remote |}, when gdb dies while the guest goes back. */
  @Test
  void whoWasTheOnlyOneEndsARunThatGoesBack() throws Exception {
    try (Machine m = machine(SevMode.ES, COUNTS);
        GdbServer server =
            GdbServer.over(
                Channels.newChannel(new Deserter(m)),
                Channels.newChannel(new ByteArrayOutputStream()),
                true)) {
      long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
      Outcome late = new Outcome(Outcome.LIMIT, "nobody comes any more");
      Outcome o = server.run(m, () -> System.nanoTime() > end ? late : null, () -> {});
      assertThat(o.reason()).isEqualTo("the debugger has gone");
    }
  }
}
