package dev.vesper.cli.gdb;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** A small guest that waits for a client, and the client. */
final class GdbSession implements Closeable {
  private static final long PATIENCE_SECONDS = 30;

  final Machine machine;
  final CompletableFuture<Outcome> ended = new CompletableFuture<>();
  private final Path place;
  private final GdbServer server;
  private SocketChannel channel;

  GdbSession(Path dir, SevMode mode, String source) throws Exception {
    this(dir, mode, FlatGuest.image(source));
  }

  GdbSession(Path dir, SevMode mode, byte[] image) throws Exception {
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
    channel = SocketChannel.open(UnixDomainSocketAddress.of(place));
  }

  private final long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);

  private @Nullable Outcome late() {
    return System.nanoTime() > end ? new Outcome(Outcome.LIMIT, "the test takes too long") : null;
  }

  /** Leaves without a word, and connects again. */
  void connectAgain() throws IOException {
    channel.close();
    channel = SocketChannel.open(UnixDomainSocketAddress.of(place));
  }

  void leave() throws IOException {
    channel.close();
  }

  void raw(byte[] bytes) throws IOException {
    ByteBuffer b = ByteBuffer.wrap(bytes);
    while (b.hasRemaining()) {
      channel.write(b);
    }
  }

  /** {@return the answer to a packet} */
  String ask(String packet) throws IOException {
    say(packet);
    return answer();
  }

  void say(String packet) throws IOException {
    raw(Packets.framed(Packets.text(packet)));
  }

  private int read() throws IOException {
    ByteBuffer one = ByteBuffer.allocate(1);
    return channel.read(one) < 0 ? -1 : one.get(0) & 0xFF;
  }

  /** {@return the next packet that comes} */
  String answer() throws IOException {
    ByteArrayOutputStream data = new ByteArrayOutputStream();
    int b = read();
    while (b == '+' || b == '-') {
      b = read();
    }
    assertThat(b).as("the beginning of a packet").isEqualTo('$');
    int sum = 0;
    for (b = read(); b != '#'; b = read()) {
      assertThat(b).as("a byte of a packet").isNotNegative();
      sum += b;
      data.write(b);
    }
    int wanted = Character.digit(read(), 16) << 4 | Character.digit(read(), 16);
    assertThat(sum & 0xFF).isEqualTo(wanted);
    return Packets.text(data.toByteArray());
  }

  static byte[] bytes(String hex) {
    return Objects.requireNonNull(Packets.bytes(hex), hex);
  }

  /** {@return what a command of the monitor says} */
  String monitor(String command) throws IOException {
    StringBuilder said = new StringBuilder();
    for (String a = ask("qRcmd," + Packets.hex(command)); !a.equals("OK"); a = answer()) {
      assertThat(a).startsWith("O");
      said.append(new String(bytes(a.substring(1)), StandardCharsets.UTF_8));
    }
    return said.toString();
  }

  /** {@return a register by its number} */
  long register(int number) throws IOException {
    byte[] b = bytes(ask("p" + Integer.toHexString(number)));
    long v = 0;
    for (int i = Math.min(8, b.length) - 1; i >= 0; i--) {
      v = v << 8 | b[i] & 0xFF;
    }
    return v;
  }

  Outcome outcome() throws Exception {
    return ended.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
  }

  @Override
  public void close() throws IOException {
    channel.close();
    server.close();
    machine.close();
  }
}
