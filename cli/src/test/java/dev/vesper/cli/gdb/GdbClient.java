package dev.vesper.cli.gdb;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Objects;

/** A client at a socket. */
public class GdbClient implements Closeable {
  private final Path place;
  private SocketChannel channel;

  public GdbClient(Path place) throws IOException {
    this.place = place;
    channel = connect();
  }

  private SocketChannel connect() throws IOException {
    return SocketChannel.open(UnixDomainSocketAddress.of(place));
  }

  /** Leaves without a word, and connects again. */
  public void connectAgain() throws IOException {
    channel.close();
    channel = connect();
  }

  public void leave() throws IOException {
    channel.close();
  }

  public void raw(byte[] bytes) throws IOException {
    ByteBuffer b = ByteBuffer.wrap(bytes);
    while (b.hasRemaining()) {
      channel.write(b);
    }
  }

  /** {@return the answer to a packet} */
  public String ask(String packet) throws IOException {
    say(packet);
    return answer();
  }

  public void say(String packet) throws IOException {
    raw(Packets.framed(Packets.text(packet)));
  }

  /** {@return the next byte that comes, or -1} */
  int read() throws IOException {
    ByteBuffer one = ByteBuffer.allocate(1);
    return channel.read(one) < 0 ? -1 : one.get(0) & 0xFF;
  }

  /** {@return the next packet that comes} */
  public String answer() throws IOException {
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

  public static byte[] bytes(String hex) {
    return Objects.requireNonNull(Packets.bytes(hex), hex);
  }

  /** {@return what a command of the monitor says} */
  public String monitor(String command) throws IOException {
    StringBuilder said = new StringBuilder();
    for (String a = ask("qRcmd," + Packets.hex(command)); !a.equals("OK"); a = answer()) {
      assertThat(a).startsWith("O");
      said.append(new String(bytes(a.substring(1)), StandardCharsets.UTF_8));
    }
    return said.toString();
  }

  /** {@return a register by its number} */
  public long register(int number) throws IOException {
    byte[] b = bytes(ask("p" + Integer.toHexString(number)));
    long v = 0;
    for (int i = Math.min(8, b.length) - 1; i >= 0; i--) {
      v = v << 8 | b[i] & 0xFF;
    }
    return v;
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
