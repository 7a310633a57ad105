package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A session with Linux at a pipe and over the network, and the same session without anybody. */
@Tag("slow")
final class RecordedSessionTest {
  private static final String MODULES =
      "drivers/virtio/virtio.*|net/core/failover|drivers/net/net_failover|drivers/net/virtio_net"
          + "|net/packet/af_packet";

  private static final String INIT =
      """
      #!/bin/busybox sh
      b=/bin/busybox
      $b mount -t proc proc /proc
      $b mount -t devtmpfs dev /dev
      for m in %s; do $b insmod /m/$m; done
      $b ip link set eth0 up
      $b ip addr add 10.0.2.15/24 dev eth0
      $b ping -c 1 10.0.2.2
      echo READY
      $b nc -l -p 80 -e /bin/busybox cat &
      exec $b sh
      """;

  private static final long MINUTES = 4;

  @TempDir Path dir;

  private List<String> command(String... args) {
    return OwnJvm.command(
        List.of("-ea", "-Xmx2g", "--enable-native-access=ALL-UNNAMED"), Main.class, args);
  }

  /** A run that a test talks to. */
  private static final class Session {
    private final Process process;
    private final ByteArrayOutputStream said = new ByteArrayOutputStream();
    private final Thread reader;

    Session(Path dir, List<String> command) throws IOException {
      process =
          new ProcessBuilder(command)
              .directory(dir.toFile())
              .redirectError(dir.resolve("err").toFile())
              .start();
      InputStream in = process.getInputStream();
      reader =
          new Thread(
              () -> {
                try {
                  for (int b = in.read(); b >= 0; b = in.read()) {
                    synchronized (said) {
                      said.write(b);
                    }
                  }
                } catch (IOException e) {
                  // The process has gone.
                }
              });
      reader.start();
    }

    String text() {
      synchronized (said) {
        return said.toString(StandardCharsets.ISO_8859_1);
      }
    }

    void await(String words) throws InterruptedException {
      long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(MINUTES);
      while (!text().contains(words) && process.isAlive() && System.nanoTime() < end) {
        Thread.sleep(20);
      }
      assertThat(text()).contains(words);
    }

    void type(String words) throws IOException, InterruptedException {
      for (byte b : words.getBytes(StandardCharsets.US_ASCII)) {
        process.getOutputStream().write(b);
        process.getOutputStream().flush();
        Thread.sleep(3);
      }
    }

    int end() throws InterruptedException {
      if (!process.waitFor(MINUTES, TimeUnit.MINUTES)) {
        process.destroyForcibly();
      }
      reader.join();
      return process.exitValue();
    }
  }

  private static int free() throws IOException {
    try (ServerSocket s = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
      return s.getLocalPort();
    }
  }

  private static String hash(Path json) throws IOException {
    return Files.readString(json).replaceAll(".*\"state_hash\":\"([0-9a-f]+)\".*\\s*", "$1");
  }

  @ParameterizedTest
  @CsvSource({"es, 2, regions"})
  void theSessionIsTheSameWithoutAnybody(String sev, String smp, String translator)
      throws Exception {
    session(sev, smp, translator);
  }

  @EnabledIfSystemProperty(named = "long", matches = "true")
  @ParameterizedTest
  @CsvSource({"es, 2, native", "es, 2, none", "es, 1, none", "off, 2, none", "snp, 2, native"})
  void andSoItIsWithEachTranslatorAndProtection(String sev, String smp, String translator)
      throws Exception {
    session(sev, smp, translator);
  }

  private void session(String sev, String smp, String translator) throws Exception {
    Map<String, byte[]> modules = DebianKernel.modules(MODULES);
    Map<String, byte[]> files = new TreeMap<>();
    modules.forEach((n, b) -> files.put("m/" + n, b));
    Files.write(dir.resolve("vmlinuz"), DebianKernel.image());
    Files.write(
        dir.resolve("initrd"),
        DebianKernel.initramfs(INIT.formatted(String.join(" ", modules.keySet())), files));
    int port = free();
    Session s =
        new Session(
            dir,
            command(
                "run",
                "-kernel",
                "vmlinuz",
                "-initrd",
                "initrd",
                "-append",
                "console=ttyS0 quiet cryptomgr.notests=1",
                "--sev",
                sev,
                "-smp",
                smp,
                "-m",
                "256M",
                "-rtc",
                "base=utc",
                "-nic",
                "user,hostfwd=tcp:127.0.0.1:" + port + "-:80",
                "--record",
                "run.rec",
                "--trace",
                "run.jsonl",
                "--json",
                "run.json"));
    s.await("READY");
    s.type("echo $((6*7)) is typed\n");
    s.await("42 is typed");
    try (Socket c = new Socket("127.0.0.1", port)) {
      c.setSoTimeout((int) TimeUnit.MINUTES.toMillis(MINUTES));
      c.getOutputStream().write("said by a socket\n".getBytes(StandardCharsets.US_ASCII));
      assertThat(new String(c.getInputStream().readNBytes(17), StandardCharsets.US_ASCII))
          .isEqualTo("said by a socket\n");
    }
    s.type("cat /proc/uptime; poweroff -f\n");
    assertThat(s.end()).as(Files.readString(dir.resolve("err"))).isZero();
    sameAgain(translator, s.text(), port);
  }

  private void sameAgain(String translator, String console, int port) throws Exception {
    // Nobody could listen there.
    try (ServerSocket taken = new ServerSocket(port, 1, InetAddress.getByName("127.0.0.1"))) {
      List<String> words = new ArrayList<>(List.of("replay", "run.rec", "--trace", "again.jsonl"));
      words.addAll(List.of("--translator", translator, "--json", "again.json"));
      Session again = new Session(dir, command(words.toArray(new String[0])));
      assertThat(again.end()).as(Files.readString(dir.resolve("err"))).isZero();
      assertThat(again.text()).isEqualTo(console);
      assertThat(taken.isBound()).isTrue();
    }
    assertThat(hash(dir.resolve("again.json")))
        .as(translator)
        .hasSize(64)
        .isEqualTo(hash(dir.resolve("run.json")));
    assertThat(Files.mismatch(dir.resolve("run.jsonl"), dir.resolve("again.jsonl")))
        .as(translator)
        .isEqualTo(-1);
    assertThat(Files.readString(dir.resolve("err"))).contains("the replay is the recorded run");
  }
}
