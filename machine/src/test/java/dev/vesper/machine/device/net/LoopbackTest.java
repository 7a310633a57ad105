package dev.vesper.machine.device.net;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Objects;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** Sockets of the computer: a guest has as many as it has connections, and no more. */
final class LoopbackTest {
  private static final int TIMES = 300;

  private static int descriptors() {
    String[] all = new File("/proc/self/fd").list();
    Assumptions.assumeTrue(all != null, "the system does not say how many descriptors there are");
    return Objects.requireNonNull(all).length;
  }

  private static int closedPort() throws IOException {
    try (ServerSocket s = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return s.getLocalPort();
    }
  }

  @Test
  void aConnectionThatIsRefusedLeavesNothingOpen() throws IOException {
    Loopback l = new Loopback();
    l.letOut(80, closedPort());
    int before = descriptors();
    for (int i = 0; i < TIMES; i++) {
      Outside.Stream s = l.connect(80);
      if (s == null) {
        continue;
      }
      try {
        s.ready();
      } catch (IOException e) {
        // nobody listens
      }
      s.close();
      s.close();
    }
    assertThat(descriptors()).isLessThan(before + 10);
    l.close();
  }

  @Test
  void aConnectionThatEndsLeavesNothingOpen() throws IOException {
    try (ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
      Loopback l = new Loopback();
      l.letOut(80, server.getLocalPort());
      int before = descriptors();
      for (int i = 0; i < TIMES; i++) {
        Outside.Stream s = Objects.requireNonNull(l.connect(80));
        server.accept().close();
        s.close();
      }
      assertThat(descriptors()).isLessThan(before + 10);
      l.close();
    }
  }

  @Test
  void whoComesAndGoesLeavesNothingOpen() throws IOException {
    int port = closedPort();
    Loopback l = new Loopback();
    l.letIn(port, UserNetwork.GUEST, 22);
    int before = descriptors();
    for (int i = 0; i < TIMES; i++) {
      Outside.Visitor v;
      try (Socket s = new Socket(InetAddress.getLoopbackAddress(), port)) {
        v = l.visitor();
        while (v == null) {
          Thread.onSpinWait();
          v = l.visitor();
        }
      }
      v.stream().close();
    }
    assertThat(descriptors()).isLessThan(before + 10);
    l.close();
  }

  @Test
  void aStreamIsClosedAfterTheNetwork() throws IOException {
    Loopback l = new Loopback();
    l.letOut(80, closedPort());
    Outside.Stream s = l.connect(80);
    l.close();
    if (s != null) {
      s.close();
    }
    assertThat(l.visitor()).isNull();
  }
}
