package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.Closeable;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/** Somebody at a monitor's socket. */
final class MonitorClient implements Closeable {
  static final String PROMPT = "(qemu) ";

  private final SocketChannel channel;
  private final StringBuilder heard = new StringBuilder();

  /** Connects as soon as somebody listens. */
  MonitorClient(Path socket) throws Exception {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
    SocketChannel c = null;
    while (c == null) {
      try {
        c = SocketChannel.open(UnixDomainSocketAddress.of(socket));
      } catch (IOException e) {
        assertThat(System.nanoTime()).as("somebody listens").isLessThan(end);
        Thread.sleep(10);
      }
    }
    channel = c;
  }

  void say(String text) throws IOException {
    ByteBuffer b = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
    while (b.hasRemaining()) {
      channel.write(b);
    }
  }

  /** {@return what is said up to a text, or all that is left when the other end has gone} */
  String until(String text) throws IOException {
    ByteBuffer b = ByteBuffer.allocate(1 << 16);
    int at = heard.indexOf(text);
    while (at < 0) {
      int n = channel.read(b);
      if (n < 0) {
        at = heard.length() - text.length();
        break;
      }
      b.flip();
      heard.append(StandardCharsets.UTF_8.decode(b));
      b.clear();
      at = heard.indexOf(text);
    }
    int end = Math.max(0, at + text.length());
    String said = heard.substring(0, end);
    heard.delete(0, end);
    return said;
  }

  /** {@return what a command of the monitor says} */
  String ask(String command) throws IOException {
    say(command + "\n");
    String said = until(PROMPT);
    return said.endsWith(PROMPT) ? said.substring(0, said.length() - PROMPT.length()) : said;
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
