package dev.vesper.machine.device.net;

import dev.vesper.machine.input.InputLog;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A network of the guest and a gateway, with the addresses of QEMU's user network: the guest gets
 * 10.0.2.15 by DHCP (RFC 2131), the gateway 10.0.2.2 answers ARP and ICMP echo, and is a router of
 * IPv6 with the prefix fec0::/64. TCP is refused but for what {@link Outside} has; nothing else
 * behind it is to be had.
 */
public final class UserNetwork implements Network {
  private static final byte[] GATEWAY_MAC = {0x52, 0x55, 10, 0, 2, 2};
  static final int GATEWAY = 0x0A00_0202;

  /** The address that the guest gets. */
  public static final int GUEST = 0x0A00_020F;

  private static final int MASK = 0xFFFF_FF00;
  private static final int LEASE_SECONDS = 86_400;

  private static final int ETHERNET = 14;
  private static final int ARP = 0x0806;
  private static final int IPV4 = 0x0800;
  private static final int IP_HEADER = 20;
  private static final int ICMP = 1;
  private static final int TCP = 6;
  private static final int UDP = 17;
  private static final int DHCP_SERVER = 67;
  private static final int DHCP_CLIENT = 68;
  private static final int DHCP_FIXED = 240;
  private static final int DHCP_COOKIE = 0x6382_5363;
  private static final int DISCOVER = 1;
  private static final int OFFER = 2;
  private static final int REQUEST = 3;
  private static final int ACK = 5;
  private static final int NAK = 6;

  /** Virtual time between looks at what comes from outside. */
  private static final long LOOK_NANOS = 1_000_000;

  private final LoggedOutside outside;
  private final TcpForwarding forwarding;
  private final Ipv6Host ipv6;
  private Receiver guest = b -> {};

  /** The address of the guest's adapter, as its frames say. */
  private byte @Nullable [] adapter;

  private long now;
  private long nextLook;

  /** A network that nothing leads out of or into. */
  public UserNetwork() {
    this(Outside.NOBODY);
  }

  /**
   * @param outside who may connect to the guest, and to whom the guest may
   */
  public UserNetwork(Outside outside) {
    this.outside = new LoggedOutside(outside);
    forwarding = new TcpForwarding(this.outside, this::tcp);
    ipv6 = new Ipv6Host(b -> guest.frame(b), (from, to, b) -> forwarding.arrived(from, to, b, now));
  }

  @Override
  public void log(InputLog log) {
    outside.log(log);
  }

  @Override
  public boolean live() {
    return outside.any();
  }

  @Override
  public boolean await(long nanos) {
    if (!quiet()) {
      // Sockets may have what cannot be taken now, so that there is no waiting for them.
      LockSupport.parkNanos(nanos);
      return false;
    }
    return outside.await(nanos);
  }

  @Override
  public void heard() {
    nextLook = now;
  }

  /** {@return whether nothing is to be done until somebody outside says something} */
  private boolean quiet() {
    return adapter != null && forwarding.quiet();
  }

  @Override
  public Sockets sockets() {
    return outside.sockets();
  }

  @Override
  public void close() {
    outside.close();
  }

  @Override
  public long nextEvent() {
    return Math.min(ipv6.nextEvent(), live() ? nextLook : NEVER);
  }

  @Override
  public long nextOwnEvent() {
    // Before the guest has an adapter nobody is let in.
    boolean waits = !live() || adapter == null || forwarding.quiet();
    return waits ? ipv6.nextEvent() : nextEvent();
  }

  @Override
  public void advance(long time) {
    now = time;
    ipv6.advance(time);
    if (live() && time >= nextLook) {
      nextLook = time + LOOK_NANOS;
      forwarding.poll(adapter != null, time);
    }
  }

  @Override
  public void connect(Receiver receiver) {
    guest = receiver;
  }

  @Override
  public void send(byte[] frame) {
    if (frame.length < ETHERNET + IP_HEADER) {
      return;
    }
    ByteBuffer f = ByteBuffer.wrap(frame);
    adapter = macOf(f);
    switch (f.getShort(12) & 0xFFFF) {
      case ARP -> arp(f);
      case IPV4 -> ip(f);
      case Ipv6Host.ETHERTYPE -> ipv6.arrived(macOf(f), f);
      default -> {
        // nobody listens
      }
    }
  }

  private static byte[] macOf(ByteBuffer f) {
    return Arrays.copyOfRange(f.array(), 6, 12);
  }

  private void arp(ByteBuffer f) {
    boolean asks = f.capacity() >= 42 && f.getShort(20) == 1 && f.getInt(38) == GATEWAY;
    if (!asks) {
      return;
    }
    ByteBuffer r = frame(macOf(f), ARP, 28);
    r.putInt(0x0001_0800).putInt(0x0604_0002).put(GATEWAY_MAC).putInt(GATEWAY);
    r.put(f.array(), 22, 6).putInt(f.getInt(28));
    guest.frame(r.array());
  }

  private static ByteBuffer frame(byte[] to, int type, int length) {
    ByteBuffer r = ByteBuffer.allocate(ETHERNET + length);
    return r.put(to).put(GATEWAY_MAC).putShort((short) type);
  }

  private void ip(ByteBuffer f) {
    int header = (f.get(ETHERNET) & 15) * 4;
    int total = f.getShort(ETHERNET + 2) & 0xFFFF;
    boolean whole = (f.get(ETHERNET) >> 4) == 4 && header >= IP_HEADER && total >= header;
    boolean fragment = (f.getShort(ETHERNET + 6) & 0x3FFF) != 0;
    if (!whole || fragment || ETHERNET + total > f.capacity()) {
      return;
    }
    ByteBuffer body = ByteBuffer.wrap(f.array(), ETHERNET + header, total - header).slice();
    int to = f.getInt(ETHERNET + 16);
    switch (f.get(ETHERNET + 9)) {
      case ICMP -> {
        if (to == GATEWAY) {
          echo(f, body);
        }
      }
      case UDP -> {
        if (body.capacity() >= 8 + DHCP_FIXED && body.getShort(2) == DHCP_SERVER) {
          dhcp(f, body.slice(8, body.capacity() - 8));
        }
      }
      case TCP ->
          forwarding.arrived(IpAddress.v4(f.getInt(ETHERNET + 12)), IpAddress.v4(to), body, now);
      default -> {
        // nobody listens
      }
    }
  }

  private void answer(byte[] mac, int protocol, int from, int to, byte[] body) {
    ByteBuffer r = frame(mac, IPV4, IP_HEADER + body.length);
    r.putShort((short) 0x4500).putShort((short) (IP_HEADER + body.length));
    r.putInt(0x0000_4000).put((byte) 64).put((byte) protocol).putShort((short) 0);
    r.putInt(from).putInt(to).put(body);
    r.putShort(ETHERNET + 10, (short) ~Checksum.sum(r, ETHERNET, IP_HEADER, 0));
    guest.frame(r.array());
  }

  private void tcp(IpAddress from, IpAddress to, ByteBuffer segment) {
    byte[] mac = adapter;
    if (mac == null) {
      return;
    }
    if (from.isV4()) {
      answer(mac, TCP, from.asV4(), to.asV4(), segment.array());
    } else {
      ipv6.send(mac, TCP, from, to, segment);
    }
  }

  private void echo(ByteBuffer f, ByteBuffer body) {
    if (body.capacity() < 8 || body.get(0) != 8) {
      return;
    }
    byte[] b = new byte[body.capacity()];
    body.get(0, b);
    ByteBuffer r = ByteBuffer.wrap(b);
    r.put(0, (byte) 0).putShort(2, (short) 0);
    r.putShort(2, (short) ~Checksum.sum(r, 0, b.length, 0));
    answer(macOf(f), ICMP, GATEWAY, f.getInt(ETHERNET + 12), b);
  }

  private static int option(ByteBuffer m, int code, int otherwise) {
    for (int at = DHCP_FIXED; at < m.capacity() && m.get(at) != (byte) 0xFF; ) {
      if (m.get(at) == 0) {
        at++;
        continue;
      }
      int length = at + 1 < m.capacity() ? m.get(at + 1) & 0xFF : 0;
      if (at + 2 + length > m.capacity()) {
        break;
      }
      if ((m.get(at) & 0xFF) == code) {
        return length == 1 ? m.get(at + 2) : length >= 4 ? m.getInt(at + 2) : otherwise;
      }
      at += 2 + length;
    }
    return otherwise;
  }

  private void dhcp(ByteBuffer f, ByteBuffer m) {
    if (m.get(0) != 1 || m.getInt(DHCP_FIXED - 4) != DHCP_COOKIE) {
      return;
    }
    int kind = option(m, 53, 0);
    int wanted = option(m, 50, m.getInt(12) == 0 ? GUEST : m.getInt(12));
    int reply;
    switch (kind) {
      case DISCOVER -> reply = OFFER;
      case REQUEST -> reply = wanted == GUEST ? ACK : NAK;
      default -> {
        return;
      }
    }
    ByteBuffer r = ByteBuffer.allocate(8 + DHCP_FIXED + 60);
    r.putShort((short) DHCP_SERVER).putShort((short) DHCP_CLIENT);
    r.putShort((short) r.capacity()).putShort((short) 0);
    // What identifies the request: operation, hardware, transaction, flags.
    r.put((byte) 2).put((byte) 1).put((byte) 6).put((byte) 0);
    r.putInt(m.getInt(4)).putInt(m.getInt(8) & 0xFFFF);
    r.putInt(0).putInt(reply == NAK ? 0 : GUEST).putInt(GATEWAY).putInt(0);
    r.put(m.array(), m.arrayOffset() + 28, 16);
    r.putInt(8 + DHCP_FIXED - 4, DHCP_COOKIE);
    r.position(8 + DHCP_FIXED);
    r.put((byte) 53).put((byte) 1).put((byte) reply);
    r.put((byte) 54).put((byte) 4).putInt(GATEWAY);
    if (reply != NAK) {
      r.put((byte) 51).put((byte) 4).putInt(LEASE_SECONDS);
      r.put((byte) 1).put((byte) 4).putInt(MASK);
      r.put((byte) 3).put((byte) 4).putInt(GATEWAY);
    }
    r.put((byte) 0xFF);
    answer(macOf(f), UDP, GATEWAY, reply == NAK ? -1 : GUEST, r.array());
  }
}
