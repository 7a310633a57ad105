package dev.vesper.cli.gdb;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** A small guest that waits for a client, and the client. */
final class GdbSession extends GdbClient {
  private static final long PATIENCE_SECONDS = 30;

  final Machine machine;
  final CompletableFuture<Outcome> ended;
  private final GdbServer server;

  GdbSession(Path dir, SevMode mode, String source) throws Exception {
    this(dir, mode, FlatGuest.image(source));
  }

  GdbSession(Path dir, SevMode mode, byte[] image) throws Exception {
    this(new Served(dir, mode, image));
  }

  private GdbSession(Served s) throws IOException {
    super(s.place);
    machine = s.machine;
    ended = s.ended;
    server = s.server;
  }

  /** What the client finds. */
  private static final class Served {
    final Machine machine;
    final GdbServer server;
    final Path place;
    final CompletableFuture<Outcome> ended = new CompletableFuture<>();
    private final long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);

    Served(Path dir, SevMode mode, byte[] image) throws Exception {
      place = dir.resolve("gdb");
      machine =
          new Machine(
              MachineSpec.builder(mode, image, b -> {})
                  .memoryBytes(64 << 20)
                  .cpuModel("EPYC-Genoa")
                  .build());
      ServerSocketChannel s = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
      s.bind(UnixDomainSocketAddress.of(place));
      server = GdbServer.over(s, true);
      Thread t =
          new Thread(
              () -> {
                try {
                  Outcome o = server.run(machine, this::late, () -> {});
                  server.conclude(o);
                  ended.complete(o);
                } catch (Throwable e) {
                  ended.completeExceptionally(e);
                  throw e;
                }
              });
      t.setDaemon(true);
      t.start();
    }

    private @Nullable Outcome late() {
      return System.nanoTime() > end ? new Outcome(Outcome.LIMIT, "the test takes too long") : null;
    }
  }

  Outcome outcome() throws Exception {
    return ended.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
  }

  @Override
  public void close() throws IOException {
    super.close();
    server.close();
    machine.close();
  }
}
