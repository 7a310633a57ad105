package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import dev.vesper.machine.device.net.Network;
import dev.vesper.machine.device.net.Outside;
import dev.vesper.machine.device.net.UserNetwork;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.HexFormat;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** TCP through the gateway, with a guest that is a few lines of segments. */
final class TcpForwardingTest {
  private static final int FIN = 1;
  private static final int SYN = 2;
  private static final int RST = 4;
  private static final int ACK = 16;
  private static final int GATEWAY = 0x0A00_0202;
  private static final int HEADERS = 34;
  private static final long SECOND = 1_000_000_000L;

  /** The other end, in memory. */
  private static final class Memory implements Outside.Stream {
    final ByteArrayOutputStream written = new ByteArrayOutputStream();
    ByteBuffer given = ByteBuffer.allocate(0);
    boolean ended;
    boolean refuses;
    boolean finished;
    boolean closed;
    int room = Integer.MAX_VALUE;

    @Override
    public boolean ready() throws IOException {
      if (refuses) {
        throw new IOException("refused");
      }
      return true;
    }

    @Override
    public int read(ByteBuffer to) {
      if (!given.hasRemaining()) {
        return ended ? -1 : 0;
      }
      int n = Math.min(to.remaining(), given.remaining());
      byte[] b = new byte[n];
      given.get(b);
      to.put(b);
      return n;
    }

    @Override
    public void write(ByteBuffer from) {
      byte[] b = new byte[Math.min(from.remaining(), room)];
      from.get(b);
      written.writeBytes(b);
    }

    @Override
    public void finish() {
      finished = true;
    }

    @Override
    public void close() {
      closed = true;
    }
  }

  private final Memory stream = new Memory();
  private final ArrayDeque<Outside.Visitor> visitors = new ArrayDeque<>();
  private final ArrayDeque<ByteBuffer> received = new ArrayDeque<>();
  private final UserNetwork network =
      new UserNetwork(
          new Outside() {
            @Override
            public boolean any() {
              return true;
            }

            @Override
            public @Nullable Visitor visitor() {
              return visitors.poll();
            }

            @Override
            public @Nullable Stream connect(int port) {
              return port == 80 ? stream : null;
            }

            @Override
            public boolean await(long nanos) {
              waits++;
              return !visitors.isEmpty();
            }
          });
  private int waits;
  private long now;
  private int window = 0xFFFF;

  TcpForwardingTest() {
    network.connect(b -> received.add(ByteBuffer.wrap(b)));
  }

  private void pass(long nanos) {
    now += nanos;
    network.advance(now);
  }

  private void segment(int from, int to, int flags, int sequence, int ack, byte[] data) {
    boolean syn = (flags & SYN) != 0;
    int header = syn ? 24 : 20;
    ByteBuffer f = ByteBuffer.allocate(HEADERS + header + data.length);
    f.put(HexFormat.of().parseHex("525500020202525400123456"));
    f.putShort((short) 0x0800).putShort((short) 0x4500);
    f.putShort((short) (20 + header + data.length)).putInt(0x4000).putInt(0x4006_0000);
    f.putInt(UserNetwork.GUEST).putInt(GATEWAY);
    f.putShort((short) from).putShort((short) to).putInt(sequence).putInt(ack);
    f.put((byte) (header << 2)).put((byte) flags).putShort((short) window).putInt(0);
    if (syn) {
      f.putInt(0x0204_03E8);
    }
    f.put(data);
    network.send(f.array());
  }

  private ByteBuffer next() {
    ByteBuffer b = received.poll();
    assertThat(b).as("a segment").isNotNull();
    // The checksum is right.
    int length = b.capacity() - HEADERS;
    long sum = 6 + length;
    for (int i = 26; i < 34; i += 2) {
      sum += b.getShort(i) & 0xFFFF;
    }
    for (int i = 0; i < length; i++) {
      sum += (b.get(HEADERS + i) & 0xFF) << ((i & 1) == 0 ? 8 : 0);
    }
    while (sum >> 16 != 0) {
      sum = (sum & 0xFFFF) + (sum >> 16);
    }
    assertThat(sum).isEqualTo(0xFFFF);
    return b;
  }

  private static int flags(ByteBuffer b) {
    return b.get(HEADERS + 13);
  }

  private static int sequence(ByteBuffer b) {
    return b.getInt(HEADERS + 4);
  }

  private static int acknowledged(ByteBuffer b) {
    return b.getInt(HEADERS + 8);
  }

  private static byte[] data(ByteBuffer b) {
    int from = HEADERS + (b.get(HEADERS + 12) >> 4 & 15) * 4;
    byte[] d = new byte[b.capacity() - from];
    b.get(from, d);
    return d;
  }

  private static byte[] bytes(String s) {
    return s.getBytes(StandardCharsets.US_ASCII);
  }

  /** The guest calls port 80; its first byte is 1001. {@return the gateway's first number} */
  private int call() {
    segment(4000, 80, SYN, 1000, 0, new byte[0]);
    ByteBuffer answer = next();
    assertThat(flags(answer)).isEqualTo(SYN | ACK);
    assertThat(acknowledged(answer)).isEqualTo(1001);
    segment(4000, 80, ACK, 1001, sequence(answer) + 1, new byte[0]);
    return sequence(answer) + 1;
  }

  @Test
  void theGuestTalksToAPortThatIsForwarded() {
    int theirs = call();
    segment(4000, 80, ACK, 1001, theirs, bytes("GET "));
    assertThat(acknowledged(next())).isEqualTo(1005);
    assertThat(stream.written.toString(StandardCharsets.US_ASCII)).isEqualTo("GET ");
    stream.given = ByteBuffer.wrap(bytes("hello"));
    pass(SECOND / 100);
    assertThat(data(next())).isEqualTo(bytes("hello"));
    segment(4000, 80, ACK, 1005, theirs + 5, new byte[0]);
    // Both ends say that they are done.
    segment(4000, 80, ACK | FIN, 1005, theirs + 5, new byte[0]);
    assertThat(acknowledged(next())).isEqualTo(1006);
    assertThat(stream.finished).isTrue();
    stream.ended = true;
    pass(SECOND / 100);
    assertThat(flags(next())).isEqualTo(FIN | ACK);
    segment(4000, 80, ACK, 1006, theirs + 6, new byte[0]);
    pass(2 * SECOND);
    assertThat(stream.closed).isTrue();
    assertThat(received).isEmpty();
  }

  /** A guest that idles is not woken to look at sockets on which nobody says anything. */
  @Test
  void whereNothingIsUnderWaySomebodyIsWaitedFor() {
    assertThat(network.nextOwnEvent()).as("no adapter yet").isEqualTo(Network.NEVER);
    int theirs = call();
    pass(SECOND);
    assertThat(network.nextEvent()).as("while the guest runs").isLessThan(now + SECOND / 100);
    assertThat(network.nextOwnEvent()).as("an open connection").isEqualTo(Network.NEVER);
    assertThat(network.await(1)).isFalse();
    assertThat(waits).isEqualTo(1);
    stream.given = ByteBuffer.wrap(bytes("hello"));
    pass(SECOND / 100);
    assertThat(data(next())).isEqualTo(bytes("hello"));
    assertThat(network.nextOwnEvent()).as("not acknowledged").isLessThan(now + SECOND / 100);
    assertThat(network.await(1)).isFalse();
    assertThat(waits).as("a socket may have what cannot be taken now").isEqualTo(1);
    segment(4000, 80, ACK, 1001, theirs + 5, new byte[0]);
    assertThat(network.nextOwnEvent()).isEqualTo(Network.NEVER);
    visitors.add(new Outside.Visitor(new Memory(), UserNetwork.GUEST, 22));
    assertThat(network.await(1)).isTrue();
    network.advance(now);
    assertThat(received).as("not before that is said").isEmpty();
    network.heard();
    network.advance(now);
    assertThat(flags(next())).as("at once").isEqualTo(SYN);
  }

  @Test
  void otherPortsAreRefused() {
    segment(4000, 81, SYN, 1000, 0, new byte[0]);
    assertThat(flags(next())).isEqualTo(RST | ACK);
    stream.refuses = true;
    segment(4001, 80, SYN, 7, 0, new byte[0]);
    ByteBuffer r = next();
    assertThat(flags(r)).isEqualTo(RST | ACK);
    assertThat(acknowledged(r)).isEqualTo(8);
    assertThat(stream.closed).isTrue();
  }

  @Test
  void visitorsWaitUntilTheGuestHasSaidWhereItIs() {
    visitors.add(new Outside.Visitor(stream, UserNetwork.GUEST, 22));
    pass(SECOND / 100);
    assertThat(received).isEmpty();
    segment(9, 9, RST, 0, 0, new byte[0]);
    pass(SECOND / 100);
    ByteBuffer syn = next();
    assertThat(flags(syn)).isEqualTo(SYN);
    assertThat(syn.getShort(HEADERS + 2)).isEqualTo((short) 22);
    int port = syn.getShort(HEADERS) & 0xFFFF;
    segment(22, port, SYN | ACK, 500, sequence(syn) + 1, new byte[0]);
    pass(SECOND / 100);
    assertThat(acknowledged(next())).isEqualTo(501);
    segment(22, port, ACK, 501, sequence(syn) + 1, bytes("SSH-2.0"));
    assertThat(stream.written.toString(StandardCharsets.US_ASCII)).isEqualTo("SSH-2.0");
  }

  @Test
  void whatIsLostIsSentAgain() {
    int theirs = call();
    byte[] all = new byte[5000];
    new Random(3).nextBytes(all);
    stream.given = ByteBuffer.wrap(all);
    pass(SECOND / 100);
    ByteArrayOutputStream got = new ByteArrayOutputStream();
    // The second of the segments does not arrive.
    int at = theirs;
    boolean lost = false;
    for (int rounds = 0; rounds < 5 && got.size() < all.length; rounds++) {
      while (!received.isEmpty()) {
        ByteBuffer s = next();
        if (!lost && sequence(s) != theirs) {
          lost = true;
          continue;
        }
        if (sequence(s) == at) {
          got.writeBytes(data(s));
          at += data(s).length;
        }
      }
      segment(4000, 80, ACK, 1001, at, new byte[0]);
      pass(SECOND);
    }
    assertThat(lost).isTrue();
    assertThat(got.toByteArray()).isEqualTo(all);
  }

  @Test
  void windowsAreKeptTo() {
    window = 10;
    int theirs = call();
    stream.given = ByteBuffer.wrap(bytes("0123456789abcdef"));
    pass(SECOND / 100);
    assertThat(data(next())).isEqualTo(bytes("0123456789"));
    window = 0;
    segment(4000, 80, ACK, 1001, theirs + 10, new byte[0]);
    assertThat(received).isEmpty();
    // A probe of one byte, now and then, as long as the guest answers.
    for (int i = 0; i < 30; i++) {
      pass(20 * SECOND);
      assertThat(data(next())).isEqualTo(bytes("a"));
      segment(4000, 80, ACK, 1001, theirs + 10, new byte[0]);
    }
    window = 100;
    segment(4000, 80, ACK, 1001, theirs + 10, new byte[0]);
    pass(20 * SECOND);
    ByteArrayOutputStream got = new ByteArrayOutputStream();
    int at = theirs + 10;
    while (!received.isEmpty()) {
      ByteBuffer s = next();
      if (sequence(s) == at) {
        got.writeBytes(data(s));
        at += data(s).length;
      }
    }
    assertThat(got.toString(StandardCharsets.US_ASCII)).isEqualTo("abcdef");
  }

  @Test
  void aSlowOutsideClosesTheWindow() {
    int theirs = call();
    stream.room = 0;
    int at = 1001;
    int room = 0xFFFF;
    while (room > 0) {
      byte[] d = new byte[Math.min(room, 1000)];
      segment(4000, 80, ACK, at, theirs, d);
      at += d.length;
      ByteBuffer a = next();
      assertThat(acknowledged(a)).isEqualTo(at);
      room = a.getShort(HEADERS + 14) & 0xFFFF;
    }
    assertThat(at).isEqualTo(1001 + 0xFFFF);
    segment(4000, 80, ACK, at, theirs, new byte[100]);
    assertThat(acknowledged(next())).isEqualTo(at);
    stream.room = Integer.MAX_VALUE;
    pass(SECOND);
    // The guest is told of the room.
    assertThat(next().getShort(HEADERS + 14) & 0xFFFF).isEqualTo(0xFFFF);
    assertThat(stream.written.size()).isEqualTo(0xFFFF);
  }

  @Test
  void aGuestThatDoesNotAnswerIsGivenUp() {
    call();
    stream.given = ByteBuffer.wrap(bytes("x"));
    for (int i = 0; i < 20; i++) {
      pass(100 * SECOND);
    }
    assertThat(stream.closed).isTrue();
    assertThat(flags(received.peekLast())).isEqualTo(RST | ACK);
  }

  @Test
  void nonsenseDoesNoHarm() {
    Random random = new Random(11);
    assertThatCode(
            () -> {
              for (int i = 0; i < 100_000; i++) {
                int flags = random.nextInt(8) == 0 ? SYN : random.nextInt(64);
                window = random.nextInt(4) * 1000;
                segment(
                    4000 + random.nextInt(100),
                    80 + random.nextInt(2),
                    flags,
                    1000 + random.nextInt(64),
                    random.nextInt(4) == 0 ? random.nextInt() : 64_000 + random.nextInt(4),
                    new byte[random.nextInt(200)]);
                if (i % 16 == 0) {
                  stream.ended = random.nextInt(8) == 0;
                  stream.given = ByteBuffer.allocate(random.nextInt(3000));
                  pass(random.nextInt(1 << 30));
                }
                received.clear();
              }
            })
        .doesNotThrowAnyException();
  }
}
