package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Scanner;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** TCP between the computer's loopback and a guest. */
final class ForwardsTest {
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
      $b mkdir /w
      $b wget -qO /w/copy http://10.0.2.2:8000/data
      $b sha256sum /w/copy
      $b wget -qO- http://10.0.2.2:8001/data || echo REFUSED
      $b httpd -p 80 -h /w
      $b nc -l -p 81
      $b poweroff -f
      """;

  private static String sha256(byte[] b) throws NoSuchAlgorithmException {
    return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(b));
  }

  private static int freePort() throws IOException {
    try (ServerSocket s = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return s.getLocalPort();
    }
  }

  /** Asks the guest until it listens. */
  private static byte[] fetch(int port) {
    for (int tries = 0; tries < 2000; tries++) {
      try (InputStream in = URI.create("http://127.0.0.1:" + port + "/copy").toURL().openStream()) {
        return in.readAllBytes();
      } catch (IOException e) {
        try {
          Thread.sleep(100);
        } catch (InterruptedException i) {
          Thread.currentThread().interrupt();
          break;
        }
      }
    }
    return new byte[0];
  }

  /** Answers one request. */
  private static void serve(ServerSocket server, byte[] data) {
    try (Socket s = server.accept()) {
      Scanner request = new Scanner(s.getInputStream(), StandardCharsets.US_ASCII);
      while (!request.nextLine().isEmpty()) {
        // a line of the request
      }
      String head = "HTTP/1.0 200 OK\r\nContent-Length: " + data.length + "\r\n\r\n";
      s.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
      s.getOutputStream().write(data);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  @Tag("slow")
  void bytesGoInAndOutOfAGuestUnderEs()
      throws IOException, BootException, NoSuchAlgorithmException {
    Map<String, byte[]> modules = DebianKernel.modules(MODULES);
    Map<String, byte[]> files = new TreeMap<>();
    modules.forEach((n, b) -> files.put("m/" + n, b));
    byte[] data = new byte[3_000_000];
    new Random(5).nextBytes(data);
    ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
    Thread.ofVirtual().start(() -> serve(server, data));
    int web = freePort();
    int bell = freePort();
    String option =
        "user,hostfwd=tcp::%d-:80,hostfwd=tcp:127.0.0.1:%d-10.0.2.15:81,guestfwd=tcp:10.0.2.2:8000-tcp:127.0.0.1:%d"
            .formatted(web, bell, server.getLocalPort());
    ByteArrayOutputStream console = new ByteArrayOutputStream();
    try (Forwards networks = new Forwards(List.of(option), false)) {
      CompletableFuture<byte[]> fetched =
          CompletableFuture.supplyAsync(
              () -> {
                byte[] b = fetch(web);
                try (Socket s = new Socket(InetAddress.getLoopbackAddress(), bell)) {
                  s.getOutputStream().write("that is all\n".getBytes(StandardCharsets.US_ASCII));
                } catch (IOException e) {
                  throw new IllegalStateException(e);
                }
                return b;
              });
      Machine m =
          new Machine(
              MachineSpec.builder(SevMode.ES, DebianKernel.image(), console::write)
                  .append("console=ttyS0 quiet cryptomgr.notests=1")
                  .initrd(
                      DebianKernel.initramfs(
                          INIT.formatted(String.join(" ", modules.keySet())), files))
                  .hardware(
                      new Hardware(
                          Hardware.Board.PC, List.of(), networks.list(), false, List.of(), null))
                  .build());
      m.limit(20_000_000_000L, Long.MAX_VALUE);
      String reason = m.run().reason();
      String text = console.toString(StandardCharsets.ISO_8859_1);
      assertThat(text)
          .as(reason)
          .contains(sha256(data) + "  /w/copy")
          .contains("REFUSED")
          .contains("that is all");
      assertThat(reason).isEqualTo("guest powered off");
      assertThat(sha256(fetched.join())).isEqualTo(sha256(data));
    } finally {
      server.close();
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "tap | takes none or user",
        "user,restrict=on | not 'restrict=on'",
        "user, | not ''",
        "user,hostfwd=tcp::0-:22 | ports are from 1 to 65535",
        "user,hostfwd=tcp::70000-:22 | ports are from 1 to 65535",
        "user,hostfwd=udp::53-:53 | takes none or user",
        "user,hostfwd=tcp:0.0.0.0:2222-:22 | only 127.0.0.1 is listened at",
        "user,hostfwd=tcp::2222-10.0.2.999:22 | 10.0.2.999 is no IPv4 address",
        "user,guestfwd=tcp:10.0.2.2:80-tcp:93.184.216.34:80 | reaches 127.0.0.1 through"
      })
  void whatIsWrongIsSaid(String option, String message) {
    assertThatThrownBy(() -> new Forwards(List.of(option), false))
        .isInstanceOf(UserError.class)
        .hasMessageContaining(message);
  }

  @Test
  void aPortThatIsTakenIsNamed() throws IOException {
    try (ServerSocket s = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      String option = "user,hostfwd=tcp::" + s.getLocalPort() + "-:22";
      assertThatThrownBy(() -> new Forwards(List.of(option), false))
          .isInstanceOf(UserError.class)
          .hasMessageContaining("cannot listen at port " + s.getLocalPort());
    }
  }
}
