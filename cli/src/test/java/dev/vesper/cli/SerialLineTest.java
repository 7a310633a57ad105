package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.spec.ConsoleInput;
import java.io.ByteArrayOutputStream;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** COM1 over sockets and a pseudo terminal. */
final class SerialLineTest {
  private static final long PATIENCE_SECONDS = 120;

  /** Sends back the letter behind each one, and ends with status 33 at a q. */
  private static final String NEXT_LETTER =
      """
      wait: mov edx, 0x3fd
      in al, dx
      test al, 1
      jz wait
      mov edx, 0x3f8
      in al, dx
      cmp al, 0x71
      je done
      inc al
      out dx, al
      jmp wait
      done: mov al, 0x10
      out 0xf4, al
      hlt
      """;

  @TempDir Path dir;

  private static String read(SocketChannel c, int bytes) throws IOException {
    ByteBuffer b = ByteBuffer.allocate(bytes);
    while (b.hasRemaining() && c.read(b) >= 0) {
      continue;
    }
    return new String(b.array(), 0, b.position(), StandardCharsets.US_ASCII);
  }

  private static void write(SocketChannel c, String text) throws IOException {
    c.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.US_ASCII)));
  }

  private static String heard(ConsoleInput in, int bytes) {
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    while (b.size() < bytes && !in.closed()) {
      int x = in.poll();
      if (x >= 0) {
        b.write(x);
      } else {
        in.await(TimeUnit.MILLISECONDS.toNanos(100));
      }
    }
    return b.toString(StandardCharsets.US_ASCII);
  }

  private static void say(SerialLine l, String text) throws IOException {
    for (byte b : text.getBytes(StandardCharsets.US_ASCII)) {
      l.output().write(b);
    }
  }

  private static SerialLine open(String where) {
    return Objects.requireNonNull(SerialLine.open(where, () -> false));
  }

  private static int freePort() throws IOException {
    try (ServerSocket s = new ServerSocket(0)) {
      return s.getLocalPort();
    }
  }

  private static SocketAddress here(int port) {
    return new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
  }

  /** Somebody comes, goes, and another one comes; what is sent between is lost. */
  private static void serve(SerialLine l, SocketAddress place) throws IOException {
    say(l, "nobody");
    for (String who : List.of("first", "other")) {
      try (SocketChannel c = SocketChannel.open(place)) {
        write(c, who);
        assertThat(heard(l.input(), 5)).isEqualTo(who);
        say(l, "to " + who);
        assertThat(read(c, 8)).isEqualTo("to " + who);
      }
    }
    assertThat(l.input().closed()).isFalse();
    assertThat(l.accepts()).isTrue();
  }

  @Test
  void aServerTakesOneAfterAnother() throws Exception {
    int port = freePort();
    try (SerialLine l = open("tcp::" + port + ",server=on,wait=off")) {
      serve(l, here(port));
    }
    Path s = dir.resolve("s");
    try (SerialLine l = open("unix:" + s + ",server,nowait")) {
      serve(l, UnixDomainSocketAddress.of(s));
    }
    assertThat(s).doesNotExist();
  }

  @Test
  void aClientHearsTheEnd() throws Exception {
    try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        SerialLine l = open("tcp:localhost:" + server.getLocalPort())) {
      try (var c = server.accept()) {
        c.getOutputStream().write("abc".getBytes(StandardCharsets.US_ASCII));
        assertThat(heard(l.input(), 3)).isEqualTo("abc");
        say(l, "xy");
        assertThat(c.getInputStream().readNBytes(2)).containsExactly('x', 'y');
      }
      assertThat(heard(l.input(), 1)).isEmpty();
      assertThat(l.input().closed()).isTrue();
      say(l, "nobody hears this, and that is no mistake");
    }
  }

  /** A socket that was left is taken; one in use, or a file of another kind, is not touched. */
  @Test
  void whatIsInTheWay() throws Exception {
    Path s = dir.resolve("s");
    try (ServerSocketChannel left = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      left.bind(UnixDomainSocketAddress.of(s));
    }
    assertThat(s).exists();
    try (SerialLine l = open("unix:" + s + ",server,nowait")) {
      assertThatThrownBy(() -> open("unix:" + s + ",server,nowait"))
          .isInstanceOf(UserError.class)
          .hasMessageContaining("another program listens there");
      serve(l, UnixDomainSocketAddress.of(s));
    }
    Path f = Files.writeString(dir.resolve("f"), "mine");
    assertThatThrownBy(() -> open("unix:" + f + ",server,nowait"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining(f.toString());
    assertThat(f).hasContent("mine");
  }

  @Test
  void nobodyIsWaitedForInVain() throws Exception {
    try (SerialLine l = SerialLine.open("tcp::" + freePort() + ",server", () -> true)) {
      assertThat(l).isNotNull();
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "tcp: | name a port",
        "tcp:localhost:0 | name a port",
        "tcp:localhost:70000 | name a port",
        "tcp:example.org:80 | only 127.0.0.1",
        "tcp:0.0.0.0:80,server | only 127.0.0.1",
        "tcp::80,server,telnet | is none of",
        "tcp:127.0.0.1:1 | refused",
        "unix: | name the socket's path",
        "unix:nosuch/s | nosuch/s",
        "pipe:x | -serial file:F",
      })
  void mistakes(String where, String words) {
    CommandResult r = CommandResult.of("run", "-serial", where, "--limit-insns", "1");
    assertThat(r.status()).isEqualTo(2);
    assertThat(r.err().lines())
        .singleElement()
        .asString()
        .containsIgnoringCase(words)
        .contains("-serial");
  }

  @Test
  void aPseudoTerminalIsOpenedByItsName() throws Exception {
    assumeTrue(Files.exists(Path.of("/dev/ptmx")), "this system has no pseudo terminals");
    try (PtyLine l = new PtyLine()) {
      String name = l.name();
      say(l, "nobody");
      try (FileInputStream in = new FileInputStream(name);
          FileOutputStream out = new FileOutputStream(name)) {
        out.write(new byte[] {3, 'a', '\r', '\n'});
        assertThat(heard(l.input(), 4)).isEqualTo("\3a\r\n");
        say(l, "b\r\n");
        assertThat(in.readNBytes(3)).containsExactly('b', '\r', '\n');
      }
      try (FileOutputStream out = new FileOutputStream(name)) {
        out.write('2');
        assertThat(heard(l.input(), 1)).isEqualTo("2");
      }
    }
  }

  /** {@return a connection to a socket that a process listens at, now or soon} */
  private static SocketChannel reach(Process p, Path s) throws Exception {
    for (; ; ) {
      try {
        return SocketChannel.open(UnixDomainSocketAddress.of(s));
      } catch (IOException e) {
        if (!p.isAlive()) {
          throw e;
        }
        Thread.sleep(20);
      }
    }
  }

  /** A whole run, confined as it is: somebody may come while it is. */
  @Test
  void aGuestTalksToWhoComes() throws Exception {
    Path image = Files.write(dir.resolve("guest.elf"), FlatGuest.image(NEXT_LETTER));
    Path s = dir.resolve("com1");
    List<String> c =
        OwnJvm.command(
            List.of("--enable-native-access=ALL-UNNAMED"), Main.class, "run", "--sev", "off");
    c.addAll(List.of("-m", "16M", "-serial", "unix:" + s + ",server,wait=off"));
    c.addAll(List.of("--timeout", String.valueOf(PATIENCE_SECONDS), image.toString()));
    Process p = new ProcessBuilder(c).redirectErrorStream(true).start();
    try {
      for (String letters : List.of("ace", "q")) {
        try (SocketChannel k = reach(p, s)) {
          write(k, letters);
          assertThat(read(k, letters.equals("q") ? 0 : 3))
              .isEqualTo(letters.equals("q") ? "" : "bdf");
        }
      }
      assertThat(p.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)).isTrue();
      assertThat(p.exitValue())
          .as(new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
          .isEqualTo(33);
    } finally {
      p.destroyForcibly();
    }
  }
}
