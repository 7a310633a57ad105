package dev.vesper.machine.device.net;

import dev.vesper.machine.device.net.TcpConnection.Segment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The gateway's TCP: connections that somebody outside has, and a reset for all others. */
final class TcpForwarding implements TcpConnection.Wire {
  private static final int HEADER = 20;
  private static final int PROTOCOL = 6;
  private static final int MOST_CONNECTIONS = 64;
  private static final int FIRST_PORT = 49_152;
  private static final int PORTS = 16_384;

  /** Distance of the first sequence numbers of connections. */
  private static final int NUMBER_STEP = 64_000;

  /** Kind and length of the segment size option. */
  private static final int MSS_OPTION = 0x0204 << 16;

  /** Takes TCP segments for the guest, without their IP header. */
  @FunctionalInterface
  interface Ip {
    void send(IpAddress from, IpAddress to, ByteBuffer segment);
  }

  private final Outside outside;
  private final Ip ip;
  private final List<TcpConnection> connections = new ArrayList<>();
  private int number;
  private int port;

  TcpForwarding(Outside outside, Ip ip) {
    this.outside = outside;
    this.ip = ip;
  }

  /**
   * Lets everything go on.
   *
   * @param reachable whether the guest can be reached
   */
  void poll(boolean reachable, long now) {
    while (reachable && connections.size() < MOST_CONNECTIONS) {
      Outside.Visitor v = outside.visitor();
      if (v == null) {
        break;
      }
      number += NUMBER_STEP;
      port = (port + 1) % PORTS;
      connections.add(
          TcpConnection.toGuest(
              IpAddress.v4(v.address()),
              v.port(),
              IpAddress.v4(UserNetwork.GATEWAY),
              FIRST_PORT + port,
              v.stream(),
              this,
              number,
              now));
    }
    for (TcpConnection c : connections) {
      c.pump(now);
    }
    connections.removeIf(TcpConnection::closed);
  }

  /** {@return whether nothing is to be done until somebody outside says something} */
  boolean quiet() {
    return connections.size() < MOST_CONNECTIONS
        && connections.stream().allMatch(TcpConnection::quiet);
  }

  /** The guest has sent a segment. */
  void arrived(IpAddress from, IpAddress to, ByteBuffer b, long now) {
    int header = b.capacity() < HEADER ? 0 : (b.get(12) >> 4 & 15) * 4;
    if (header < HEADER || header > b.capacity()) {
      return;
    }
    int fromPort = b.getShort(0) & 0xFFFF;
    int toPort = b.getShort(2) & 0xFFFF;
    int flags = b.get(13);
    Segment s =
        new Segment(
            flags,
            b.getInt(4),
            b.getInt(8),
            b.getShort(14) & 0xFFFF,
            (flags & TcpConnection.SYN) != 0 ? mss(b, header) : 0,
            b.slice(header, b.capacity() - header));
    TcpConnection c = find(from, fromPort, to, toPort, s);
    if (c == null) {
      refuse(from, to, b, s);
      return;
    }
    c.arrived(s, now);
    c.pump(now);
    connections.removeIf(TcpConnection::closed);
  }

  private @Nullable TcpConnection find(
      IpAddress from, int fromPort, IpAddress to, int toPort, Segment s) {
    for (TcpConnection c : connections) {
      if (c.is(from, fromPort, to, toPort)) {
        return c;
      }
    }
    boolean asks = (s.flags() & (TcpConnection.SYN | TcpConnection.ACK)) == TcpConnection.SYN;
    boolean own = to.equals(IpAddress.v4(UserNetwork.GATEWAY)) || Ipv6Host.router(to);
    if (!asks || !own || connections.size() >= MOST_CONNECTIONS) {
      return null;
    }
    Outside.Stream stream = outside.connect(toPort);
    if (stream == null) {
      return null;
    }
    number += NUMBER_STEP;
    TcpConnection c = TcpConnection.fromGuest(from, fromPort, to, toPort, stream, this, number, s);
    connections.add(c);
    return c;
  }

  private static int mss(ByteBuffer b, int header) {
    for (int at = HEADER; at < header && b.get(at) != 0; ) {
      int length = b.get(at) == 1 ? 1 : at + 1 < header ? b.get(at + 1) & 0xFF : 0;
      if (length == 0 || at + length > header) {
        break;
      }
      if (b.get(at) == 2 && length == 4) {
        return b.getShort(at + 2) & 0xFFFF;
      }
      at += length;
    }
    return 0;
  }

  /** A reset, as a host gives it at whose port nobody listens (RFC 9293, 3.5.2). */
  private void refuse(IpAddress from, IpAddress to, ByteBuffer b, Segment s) {
    if ((s.flags() & TcpConnection.RST) != 0 || from.isUnspecified() || to.isMulticast()) {
      return;
    }
    int counted = (s.flags() & (TcpConnection.SYN | TcpConnection.FIN)) != 0 ? 1 : 0;
    int after = s.sequence() + s.data().remaining() + counted;
    boolean acked = (s.flags() & TcpConnection.ACK) != 0;
    ByteBuffer r = ByteBuffer.allocate(HEADER);
    r.putShort(b.getShort(2)).putShort(b.getShort(0));
    r.putInt(acked ? s.acknowledged() : 0).putInt(acked ? 0 : after);
    r.put((byte) 0x50);
    r.put((byte) (acked ? TcpConnection.RST : TcpConnection.RST | TcpConnection.ACK));
    send(to, from, r);
  }

  @Override
  public void segment(
      TcpConnection c, int flags, int sequence, int acknowledged, int window, byte[] data) {
    int options = (flags & TcpConnection.SYN) != 0 ? 4 : 0;
    ByteBuffer r = ByteBuffer.allocate(HEADER + options + data.length);
    r.putShort((short) c.gatewayPort).putShort((short) c.guestPort);
    r.putInt(sequence).putInt(acknowledged);
    r.put((byte) (HEADER + options << 2)).put((byte) flags).putShort((short) window);
    r.putInt(0);
    if (options != 0) {
      r.putInt(MSS_OPTION | c.largestSegment());
    }
    r.put(data);
    send(c.gateway, c.guest, r);
  }

  private void send(IpAddress from, IpAddress to, ByteBuffer segment) {
    int length = segment.capacity();
    int start = Checksum.pseudo(from, to, PROTOCOL, length);
    segment.putShort(16, (short) ~Checksum.sum(segment, 0, length, start));
    ip.send(from, to, segment);
  }
}
