package dev.vesper.cli.monitor;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Clients that come to a monitor. */
final class VisitorsTest {
  private static final int KNOCK = 200;
  private static final int MOST = 8;

  @TempDir Path dir;

  /** However fast they come: a client counts as soon as it is let in. */
  @Test
  void noMoreAreLetInThanMayBeThere() throws IOException {
    UnixDomainSocketAddress at = UnixDomainSocketAddress.of(dir.resolve("s"));
    Control c = new Control(Control.Facts.NONE, new WrittenFiles(null), o -> {});
    ServerSocketChannel door = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    door.bind(at, KNOCK);
    List<SocketChannel> all = new ArrayList<>();
    // All have knocked before the first is let in.
    for (int i = 0; i < KNOCK; i++) {
      all.add(SocketChannel.open(at));
    }
    int greeted = 0;
    try (Visitors v = Visitors.at(door, c, Visitors.Language.QMP)) {
      for (SocketChannel s : all) {
        greeted += isGreeted(s) ? 1 : 0;
      }
    } finally {
      for (SocketChannel s : all) {
        s.close();
      }
    }
    assertThat(greeted).isEqualTo(MOST);
  }

  private static boolean isGreeted(SocketChannel s) {
    try {
      return s.read(ByteBuffer.allocate(64)) > 0;
    } catch (IOException e) {
      // The door was shut in its face.
      return false;
    }
  }
}
