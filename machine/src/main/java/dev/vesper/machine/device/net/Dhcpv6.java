package dev.vesper.machine.device.net;

import java.nio.ByteBuffer;

/**
 * DHCP for IPv6 without addresses (RFC 8415, 18.3.8), which guests make themselves: requests for
 * information are answered, and there is none but who answers.
 */
final class Dhcpv6 {
  static final int SERVER = 547;

  /** All relay agents and servers. */
  static final IpAddress SERVERS = new IpAddress(0xFF02L << 48, 0x1_0002);

  private static final int CLIENT = 546;
  private static final int INFORMATION_REQUEST = 11;
  private static final int REPLY = 7;
  private static final int CLIENT_ID = 1;
  private static final int SERVER_ID = 2;
  private static final int LONGEST_ID = 130;

  /** DUID of a link address: type 3, Ethernet, the address. */
  private static final int DUID_BYTES = 10;

  private final Ipv6Host host;

  Dhcpv6(Ipv6Host host) {
    this.host = host;
  }

  /** A message has come to the server's port. */
  void arrived(Ipv6Host.Packet p, ByteBuffer m) {
    if (m.capacity() < 4 || m.get(0) != INFORMATION_REQUEST) {
      return;
    }
    byte[] client = {};
    for (int at = 4; at + 4 <= m.capacity(); ) {
      int length = m.getShort(at + 2) & 0xFFFF;
      if (at + 4 + length > m.capacity()) {
        return;
      }
      int code = m.getShort(at) & 0xFFFF;
      if (code == CLIENT_ID && length <= LONGEST_ID) {
        client = new byte[length];
        m.get(at + 4, client);
      } else if (code == SERVER_ID && !m.slice(at + 4, length).equals(serverId())) {
        return;
      }
      at += 4 + length;
    }
    int options = 4 + DUID_BYTES + (client.length == 0 ? 0 : 4 + client.length);
    ByteBuffer r = ByteBuffer.allocate(8 + 4 + options);
    r.putShort((short) SERVER).putShort((short) CLIENT);
    r.putShort((short) r.capacity()).putShort((short) 0);
    r.putInt(REPLY << 24 | m.getInt(0) & 0xFF_FFFF);
    if (client.length > 0) {
      r.putShort((short) CLIENT_ID).putShort((short) client.length).put(client);
    }
    r.putShort((short) SERVER_ID).putShort((short) DUID_BYTES).put(serverId());
    int start = Checksum.pseudo(Ipv6Host.LINK_LOCAL, p.from(), Ipv6Host.UDP, r.capacity());
    int sum = ~Checksum.sum(r, 0, r.capacity(), start) & 0xFFFF;
    // A sum of 0 would say that there is none.
    r.putShort(6, (short) (sum == 0 ? 0xFFFF : sum));
    host.send(p.mac(), Ipv6Host.UDP, Ipv6Host.LINK_LOCAL, p.from(), r);
  }

  private static ByteBuffer serverId() {
    ByteBuffer b = ByteBuffer.allocate(DUID_BYTES).putShort((short) 3).putShort((short) 1);
    return b.put(Ipv6Host.macOf(Ipv6Host.LINK_LOCAL)).flip();
  }
}
