package dev.vesper.machine.device.net;

import java.nio.ByteBuffer;

/**
 * The gateway as a host of IPv6 (RFC 8200), with the addresses of QEMU's user network: fec0::2 and
 * fe80::2, and fec0::3 besides. It answers neighbours, echo and DHCPv6, says that nobody listens to
 * UDP, and hands TCP on.
 */
final class Ipv6Host {
  static final int ETHERTYPE = 0x86DD;
  static final int HEADER = 40;
  static final int HOP_LIMIT = 255;
  static final int TCP = 6;
  static final int UDP = 17;
  static final int ICMP = 58;

  static final IpAddress PREFIX = new IpAddress(0xFEC0L << 48, 0);
  static final IpAddress GATEWAY = new IpAddress(0xFEC0L << 48, 2);
  static final IpAddress NAME_SERVER = new IpAddress(0xFEC0L << 48, 3);
  static final IpAddress LINK_LOCAL = new IpAddress(0xFE80L << 48, 2);
  static final IpAddress ALL_NODES = new IpAddress(0xFF02L << 48, 1);

  private static final int ETHERNET = 14;
  private static final int HOP_BY_HOP = 0;
  private static final int ROUTING = 43;
  private static final int DESTINATION_OPTIONS = 60;

  private static final int UNREACHABLE = 1;
  private static final int NO_ROUTE = 0;
  private static final int NO_PORT = 4;
  private static final int ECHO_REQUEST = 128;
  private static final int ECHO_REPLY = 129;

  /** An error quotes as much as fits the least MTU of 1280 (RFC 4443, 2.4). */
  private static final int MOST_QUOTED = 1280 - HEADER - 8;

  /**
   * A packet that has come.
   *
   * @param mac of the adapter that sent it
   * @param hops its hop limit
   * @param whole all of it, for an error to quote
   * @param body what is behind all headers of IPv6
   */
  record Packet(
      byte[] mac, IpAddress from, IpAddress to, int hops, ByteBuffer whole, ByteBuffer body) {}

  /** Takes TCP segments. */
  interface Tcp {
    void arrived(IpAddress from, IpAddress to, ByteBuffer segment);
  }

  private final Network.Receiver guest;
  private final Tcp tcp;
  private final NeighborDiscovery neighbors = new NeighborDiscovery(this);
  private final Dhcpv6 dhcp = new Dhcpv6(this);

  Ipv6Host(Network.Receiver guest, Tcp tcp) {
    this.guest = guest;
    this.tcp = tcp;
  }

  /** {@return when it speaks by itself, in virtual nanoseconds} */
  long nextEvent() {
    return neighbors.nextEvent();
  }

  void advance(long now) {
    neighbors.advance(now);
  }

  /** {@return whether an address is one of the gateway's} */
  static boolean own(IpAddress a) {
    return router(a) || a.equals(NAME_SERVER);
  }

  static boolean router(IpAddress a) {
    return a.equals(GATEWAY) || a.equals(LINK_LOCAL);
  }

  /** {@return the link address of one of the gateway's addresses} */
  static byte[] macOf(IpAddress a) {
    return new byte[] {
      0x52, 0x56, 0, (byte) (a.low() >> 16), (byte) (a.low() >> 8), (byte) a.low()
    };
  }

  /** The guest has sent a frame. */
  void arrived(byte[] mac, ByteBuffer f) {
    if (f.capacity() < ETHERNET + HEADER || f.get(ETHERNET) >> 4 != 6) {
      return;
    }
    int length = f.getShort(ETHERNET + 4) & 0xFFFF;
    if (length > f.capacity() - ETHERNET - HEADER) {
      return;
    }
    int protocol = f.get(ETHERNET + 6) & 0xFF;
    int at = ETHERNET + HEADER;
    int end = at + length;
    while (protocol == HOP_BY_HOP || protocol == ROUTING || protocol == DESTINATION_OPTIONS) {
      int bytes = at + 8 > end ? 0 : ((f.get(at + 1) & 0xFF) + 1) * 8;
      if (bytes == 0 || at + bytes > end) {
        return;
      }
      protocol = f.get(at) & 0xFF;
      at += bytes;
    }
    Packet p =
        new Packet(
            mac,
            IpAddress.v6(f, ETHERNET + 8),
            IpAddress.v6(f, ETHERNET + 24),
            f.get(ETHERNET + 7) & 0xFF,
            f.slice(ETHERNET, HEADER + length),
            f.slice(at, end - at));
    if (p.from.isMulticast()) {
      return;
    }
    switch (protocol) {
      case ICMP -> icmp(p);
      case UDP -> udp(p);
      case TCP -> tcp.arrived(p.from, p.to, p.body);
      default -> {
        // fragments and the rest: nobody listens
      }
    }
  }

  private void icmp(Packet p) {
    ByteBuffer b = p.body;
    int n = b.capacity();
    if (n < 8 || Checksum.sum(b, 0, n, Checksum.pseudo(p.from, p.to, ICMP, n)) != 0xFFFF) {
      return;
    }
    if ((b.get(0) & 0xFF) == ECHO_REQUEST && own(p.to) && !p.from.isUnspecified()) {
      ByteBuffer r = ByteBuffer.allocate(n).put(b.slice()).put(0, (byte) ECHO_REPLY);
      sendIcmp(p.mac, p.to, p.from, r);
    } else {
      neighbors.arrived(p);
    }
  }

  private void udp(Packet p) {
    if (p.body.capacity() < 8 || p.from.isUnspecified()) {
      return;
    }
    int port = p.body.getShort(2) & 0xFFFF;
    if (port == Dhcpv6.SERVER && (p.to.equals(Dhcpv6.SERVERS) || router(p.to))) {
      dhcp.arrived(p, p.body.slice(8, p.body.capacity() - 8));
    } else if (!p.to.isMulticast()) {
      unreachable(p, own(p.to) ? NO_PORT : NO_ROUTE);
    }
  }

  private void unreachable(Packet p, int code) {
    int n = Math.min(p.whole.capacity(), MOST_QUOTED);
    ByteBuffer r = ByteBuffer.allocate(8 + n);
    r.put((byte) UNREACHABLE).put((byte) code).putShort((short) 0).putInt(0);
    r.put(p.whole.slice(0, n));
    sendIcmp(p.mac, own(p.to) ? p.to : GATEWAY, p.from, r);
  }

  /** Sends a message of ICMPv6, whose checksum is made. */
  void sendIcmp(byte[] mac, IpAddress from, IpAddress to, ByteBuffer message) {
    int n = message.capacity();
    message.putShort(2, (short) 0);
    int start = Checksum.pseudo(from, to, ICMP, n);
    message.putShort(2, (short) ~Checksum.sum(message, 0, n, start));
    send(mac, ICMP, from, to, message);
  }

  /** Sends a packet to the guest. */
  void send(byte[] mac, int protocol, IpAddress from, IpAddress to, ByteBuffer body) {
    ByteBuffer r = ByteBuffer.allocate(ETHERNET + HEADER + body.capacity());
    r.put(mac).put(macOf(from)).putShort((short) ETHERTYPE);
    r.putInt(6 << 28).putShort((short) body.capacity());
    r.put((byte) protocol).put((byte) HOP_LIMIT);
    from.put(r);
    to.put(r);
    r.put(body.array(), body.arrayOffset(), body.capacity());
    guest.frame(r.array());
  }

  /** {@return the link address of a multicast address (RFC 2464, 7)} */
  static byte[] multicastMac(IpAddress a) {
    int n = (int) a.low();
    return new byte[] {0x33, 0x33, (byte) (n >> 24), (byte) (n >> 16), (byte) (n >> 8), (byte) n};
  }
}
