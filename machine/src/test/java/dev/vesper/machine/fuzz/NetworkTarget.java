package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.fuzz.FuzzInput;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.machine.device.net.Outside;
import dev.vesper.machine.device.net.UserNetwork;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A user network that leads out and in: frames that a guest sends, each behind its length and how
 * much time passes. Checksums are made right if the first byte says so, and a bit of the length
 * says that a segment goes on where the conversation is.
 */
public final class NetworkTarget implements FuzzTarget {
  private static final String GUEST = "525400123456";
  private static final String GATEWAY_6 = "fec00000000000000000000000000002";
  private static final int FIN = 1;
  private static final int SYN = 2;
  private static final int RST = 4;
  private static final int PUSH = 8;
  private static final int ACK = 16;

  /** Ports of the gateway: who ends at once, fails when something is said, or is not there. */
  private static final int ENDING = 81;

  private static final int FAILING = 82;
  private static final int REFUSING = 83;
  private static final int MOST_FRAMES = 64;
  private static final int LENGTH = 0x7FF;

  /** Tens of seconds in which whoever waits for an answer gives up. */
  private static final int LAST_SECONDS = 12;

  /** The segment has the numbers that come next in the conversation that was last heard of. */
  private static final int GOES_ON = 0x8000;

  /** And the ports. */
  private static final int ANSWERS = 0x4000;

  @Override
  public String name() {
    return "network";
  }

  @Override
  public List<String> covers() {
    // The computer's own sockets are no part of it, nor who opens them.
    return Stream.of(
            "Checksum",
            "Dhcpv6",
            "IpAddress",
            "Ipv6Host",
            "NeighborDiscovery",
            "TcpConnection",
            "TcpForwarding",
            "UserNetwork")
        .map("dev.vesper.machine.device.net."::concat)
        .toList();
  }

  @Override
  public int longest() {
    return 4096;
  }

  static byte[] arp() {
    return hex(
        "ffffffffffff" + GUEST + "08060001080006040001" + GUEST + "0a00020f0000000000000a000202");
  }

  private static byte[] hex(String s) {
    return HexFormat.of().parseHex(s.replace(" ", ""));
  }

  private static byte[] ip4(int protocol, String to, String body) {
    int length = 20 + body.replace(" ", "").length() / 2;
    return hex(
        "525500020202"
            + GUEST
            + "08004500"
            + String.format("%04x", length)
            + "0000400040"
            + String.format("%02x", protocol)
            + "00000a00020f"
            + to
            + body);
  }

  private static byte[] ip6(int next, String to, String body) {
    return hex(
        "525500020202"
            + GUEST
            + "86dd60000000"
            + String.format("%04x", body.replace(" ", "").length() / 2)
            + String.format("%02x", next)
            + "ff"
            + "fec0000000000000505400fffe123456"
            + to
            + body);
  }

  private static String segment(int port, int flags, int sequence, int acknowledged, String data) {
    boolean syn = (flags & SYN) != 0;
    return String.format(
        "0400%04x%08x%08x%s%02xffff00000000%s",
        port,
        sequence,
        acknowledged,
        syn ? "70" : "50",
        flags,
        syn ? "01020405b4030000" + data : data);
  }

  private static byte[] tcp(int port, int flags, String data) {
    return ip4(6, "0a000202", segment(port, flags, 1, 0, data));
  }

  private static byte[] tcp6(int flags, String data) {
    return ip6(6, GATEWAY_6, segment(80, flags, 1, 0, data));
  }

  private static byte[] frames(byte[]... frames) {
    Words w = new Words().u8(1);
    for (byte[] f : frames) {
      w.u16(f.length).u8(3).bytes(f);
    }
    return w.done();
  }

  /** A first frame, then those that go on with what came of it. */
  private static byte[] conversation(int how, byte[] first, byte[]... others) {
    Words w = new Words().u8(1).bytes(sent(0, 3, arp())).bytes(sent(0, 3, first));
    for (byte[] f : others) {
      w.bytes(sent(how, 100, f));
    }
    return w.done();
  }

  private static byte[] sent(int how, int milliseconds, byte[] frame) {
    return new Words().u16(frame.length | how).u8(milliseconds).bytes(frame).done();
  }

  @Override
  public List<byte[]> seeds() {
    byte[] ack = tcp(80, ACK, "");
    byte[] data = tcp(80, ACK | PUSH, "474554");
    byte[] end = tcp(80, ACK | FIN, "");
    byte[] closed = hex(HexFormat.of().formatHex(ack).replace("5010ffff", "50100000"));
    return List.of(
        conversation(GOES_ON, tcp(80, SYN, ""), ack, data, ack, ack, end, ack, ack),
        conversation(GOES_ON, tcp(80, SYN, ""), tcp(80, SYN, ""), ack, closed, data, closed, ack),
        conversation(GOES_ON, tcp(80, SYN, ""), ack, data, data, tcp(80, RST, ""), ack),
        conversation(GOES_ON, tcp(ENDING, SYN, ""), ack, tcp(ENDING, ACK, ""), end, ack),
        conversation(GOES_ON, tcp(FAILING, SYN, ""), tcp(FAILING, ACK, "")),
        conversation(GOES_ON, tcp(REFUSING, SYN, ""), tcp(REFUSING, ACK, "")),
        conversation(
            GOES_ON, tcp6(SYN, ""), tcp6(ACK, ""), tcp6(ACK | PUSH, "4142"), tcp6(FIN, "")),
        // The visitor is let in, talks, and goes.
        conversation(GOES_ON | ANSWERS, ack, tcp(22, SYN | ACK, ""), ack, data, ack, end, ack),
        conversation(GOES_ON | ANSWERS, ack, tcp(22, RST | ACK, ""), ack),
        conversation(0, ack, tcp(7, SYN, ""), tcp(7, ACK, "")),
        frames(arp()),
        frames(ip4(1, "0a000202", "0800000012340001 61626364")),
        frames(
            ip4(
                17,
                "ffffffff",
                "00440043 00f80000 01010600 12345678 00000000"
                    + "00".repeat(16)
                    + GUEST
                    + "00".repeat(10 + 192)
                    + "63825363 350101 ff")),
        frames(ip6(58, GATEWAY_6, "80000000 12340001 6162")),
        frames(ip6(58, "ff020000000000000000000000000002", "85000000 00000000")),
        frames(
            ip6(58, "ff0200000000000000000001ff000002", "87000000 00000000" + GATEWAY_6),
            ip6(17, "ff020000000000000000000000010002", "02220223 000c0000 0b123456"),
            ip6(
                17,
                "ff020000000000000000000000010002",
                "02220223 001a0000 0b123456 0001000a 00030001525400123456 0008000200 00")),
        frames(ip6(6, GATEWAY_6, "04000050 00000001 00000000 5002ffff 00000000")));
  }

  /** Everybody answers with what he was told; one visitor comes. */
  private static final class Others implements Outside {
    private boolean came;

    @Override
    public boolean any() {
      return true;
    }

    @Override
    public @Nullable Visitor visitor() {
      boolean first = !came;
      came = true;
      return first ? new Visitor(new Echo(22), UserNetwork.GUEST, 22) : null;
    }

    @Override
    public @Nullable Stream connect(int port) {
      return port >= 80 && port <= REFUSING ? new Echo(port) : null;
    }

    @Override
    public boolean await(long nanos) {
      return false;
    }
  }

  private static final class Echo implements Outside.Stream {
    private final ByteBuffer kept = ByteBuffer.allocate(4096);
    private final int port;

    Echo(int port) {
      this.port = port;
      kept.put((byte) 'w');
    }

    @Override
    public boolean ready() throws IOException {
      if (port == REFUSING) {
        throw new IOException("nobody listens");
      }
      return true;
    }

    @Override
    public int read(ByteBuffer to) {
      kept.flip();
      if (port == ENDING && !kept.hasRemaining()) {
        return -1;
      }
      int n = Math.min(to.remaining(), kept.remaining());
      for (int i = 0; i < n; i++) {
        to.put(kept.get());
      }
      kept.compact();
      return n;
    }

    @Override
    public void write(ByteBuffer from) throws IOException {
      if (port == FAILING) {
        throw new IOException("the other end is gone");
      }
      while (from.hasRemaining() && kept.hasRemaining()) {
        kept.put(from.get());
      }
    }

    @Override
    public void finish() {
      // There is nobody to tell.
    }

    @Override
    public void close() {
      // There is nothing to let go of.
    }
  }

  @Override
  public void take(byte[] input) {
    FuzzInput in = new FuzzInput(input);
    boolean sums = (in.u8() & 1) != 0;
    UserNetwork n = new UserNetwork(new Others());
    long[] bytes = {0};
    Heard heard = new Heard();
    n.connect(
        f -> {
          bytes[0] += f.length;
          heard.take(f);
        });
    long now = 0;
    for (int i = 0; i < MOST_FRAMES && in.more(); i++) {
      int how = in.u16();
      now += 1_000_000L * in.u8();
      byte[] frame = in.bytes(how & LENGTH);
      if ((how & GOES_ON) != 0) {
        heard.goOn(frame, (how & ANSWERS) != 0);
      }
      if (sums) {
        sum(frame);
      }
      n.send(frame);
      n.advance(now);
    }
    for (int i = 0; i < LAST_SECONDS; i++) {
      now += 10_000_000_000L;
      n.advance(now);
    }
    n.close();
    if (bytes[0] > 1 << 24) {
      throw new IllegalStateException(bytes[0] + " bytes of answers");
    }
  }

  /** Where the conversation is, by the last segment that came from the network. */
  private static final class Heard {
    private int next;
    private int acknowledged;
    private int ports;

    private static int tcp(byte[] f) {
      int at = (f.length > 12 && (f[12] & 0xFF) == 0x86) ? 54 : 34;
      int protocol = at == 54 ? 20 : 23;
      return f.length >= at + 20 && f[protocol] == 6 ? at : -1;
    }

    void take(byte[] f) {
      int at = tcp(f);
      if (at < 0) {
        return;
      }
      ByteBuffer b = ByteBuffer.wrap(f);
      int flags = f[at + 13];
      ports = b.getInt(at);
      int counted = (flags & (SYN | FIN)) != 0 ? 1 : 0;
      next = b.getInt(at + 4) + f.length - at - (f[at + 12] >> 4 & 15) * 4 + counted;
      acknowledged = b.getInt(at + 8);
    }

    void goOn(byte[] f, boolean answers) {
      int at = tcp(f);
      if (at < 0) {
        return;
      }
      ByteBuffer b = ByteBuffer.wrap(f);
      if (answers) {
        b.putInt(at, ports << 16 | ports >>> 16);
      }
      b.putInt(at + 4, acknowledged);
      b.putInt(at + 8, next);
    }
  }

  /** Makes the sums of IP, TCP, UDP and ICMP right, as far as the frame goes. */
  private static void sum(byte[] f) {
    if (f.length < 34) {
      return;
    }
    boolean six = (f[12] & 0xFF) == 0x86;
    if (!six) {
      f[24] = 0;
      f[25] = 0;
      put(f, 24, add(f, 14, 20, 0));
    }
    int start = six ? 54 : 34;
    int protocol = six ? f[20] : f[23];
    int at =
        switch (protocol) {
          case 6 -> start + 16;
          case 17 -> start + 6;
          case 1, 58 -> start + 2;
          default -> -1;
        };
    if (at < 0 || at + 2 > f.length) {
      return;
    }
    f[at] = 0;
    f[at + 1] = 0;
    int bytes = f.length - start;
    long pseudo = protocol == 1 ? 0 : protocol + bytes;
    if (protocol != 1) {
      pseudo += six ? sumOf(f, 22, 32) : sumOf(f, 26, 8);
    }
    put(f, at, add(f, start, bytes, pseudo));
  }

  private static long sumOf(byte[] f, int at, int n) {
    long s = 0;
    for (int i = 0; i < n; i++) {
      s += (f[at + i] & 0xFF) << (i % 2 == 0 ? 8 : 0);
    }
    return s;
  }

  private static int add(byte[] f, int at, int n, long more) {
    long s = sumOf(f, at, n) + more;
    while (s > 0xFFFF) {
      s = (s & 0xFFFF) + (s >> 16);
    }
    return (int) ~s & 0xFFFF;
  }

  private static void put(byte[] f, int at, int v) {
    f[at] = (byte) (v >> 8);
    f[at + 1] = (byte) v;
  }
}
