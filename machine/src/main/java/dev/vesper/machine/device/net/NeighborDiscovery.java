package dev.vesper.machine.device.net;

import java.nio.ByteBuffer;

/**
 * The gateway's side of neighbour discovery (RFC 4861): it answers for its addresses, and is a
 * router that lets guests make addresses of their own from its prefix.
 */
final class NeighborDiscovery {
  private static final int ROUTER_SOLICITATION = 133;
  private static final int ROUTER_ADVERTISEMENT = 134;
  private static final int NEIGHBOR_SOLICITATION = 135;
  private static final int NEIGHBOR_ADVERTISEMENT = 136;

  private static final int SOURCE_LINK_ADDRESS = 1;
  private static final int TARGET_LINK_ADDRESS = 2;
  private static final int PREFIX_INFORMATION = 3;

  // Flags of a neighbour advertisement.
  private static final int ROUTER = 1 << 31;
  private static final int SOLICITED = 1 << 30;
  private static final int OVERRIDE = 1 << 29;

  /** There is more by DHCPv6 than addresses. */
  private static final int OTHER_CONFIGURATION = 0x40;

  private static final int ON_LINK_AND_AUTONOMOUS = 0xC0;
  private static final int CURRENT_HOP_LIMIT = 64;
  private static final int ROUTER_SECONDS = 1800;
  private static final int VALID_SECONDS = 86_400;
  private static final int PREFERRED_SECONDS = 14_400;

  /** Between advertisements that nobody has asked for: within QEMU's 200 to 600 seconds. */
  private static final long INTERVAL = 400_000_000_000L;

  private final Ipv6Host host;
  private long now;
  private long next = Network.NEVER;

  NeighborDiscovery(Ipv6Host host) {
    this.host = host;
  }

  long nextEvent() {
    return next;
  }

  void advance(long time) {
    now = time;
    if (time >= next) {
      advertiseRouter();
    }
  }

  /** A message of ICMPv6 has come, with a good checksum. */
  void arrived(Ipv6Host.Packet p) {
    ByteBuffer b = p.body();
    if (p.hops() != Ipv6Host.HOP_LIMIT || b.get(1) != 0) {
      // It comes from further away than a neighbour is.
      return;
    }
    switch (b.get(0) & 0xFF) {
      case ROUTER_SOLICITATION -> advertiseRouter();
      case NEIGHBOR_SOLICITATION -> {
        if (b.capacity() >= 24) {
          advertise(p, IpAddress.v6(b, 8));
        }
      }
      default -> {
        // nothing that is for the gateway
      }
    }
  }

  private static void linkAddress(ByteBuffer r, int type, IpAddress of) {
    r.put((byte) type).put((byte) 1).put(Ipv6Host.macOf(of));
  }

  private void advertise(Ipv6Host.Packet p, IpAddress target) {
    if (!Ipv6Host.own(target)) {
      return;
    }
    // Who has no address yet cannot be spoken to alone.
    boolean all = p.from().isUnspecified();
    ByteBuffer r = ByteBuffer.allocate(32);
    r.put((byte) NEIGHBOR_ADVERTISEMENT).position(4);
    r.putInt(OVERRIDE | (all ? 0 : SOLICITED) | (Ipv6Host.router(target) ? ROUTER : 0));
    target.put(r);
    linkAddress(r, TARGET_LINK_ADDRESS, target);
    IpAddress to = all ? Ipv6Host.ALL_NODES : p.from();
    host.sendIcmp(all ? Ipv6Host.multicastMac(to) : p.mac(), target, to, r);
  }

  private void advertiseRouter() {
    next = now + INTERVAL;
    ByteBuffer r = ByteBuffer.allocate(16 + 8 + 32);
    r.put((byte) ROUTER_ADVERTISEMENT).position(4);
    r.put((byte) CURRENT_HOP_LIMIT).put((byte) OTHER_CONFIGURATION);
    // It says nothing of the times to reach a neighbour and to ask again.
    r.putShort((short) ROUTER_SECONDS).putLong(0);
    linkAddress(r, SOURCE_LINK_ADDRESS, Ipv6Host.LINK_LOCAL);
    r.put((byte) PREFIX_INFORMATION).put((byte) 4).put((byte) 64);
    r.put((byte) ON_LINK_AND_AUTONOMOUS).putInt(VALID_SECONDS).putInt(PREFERRED_SECONDS).putInt(0);
    Ipv6Host.PREFIX.put(r);
    IpAddress to = Ipv6Host.ALL_NODES;
    host.sendIcmp(Ipv6Host.multicastMac(to), Ipv6Host.LINK_LOCAL, to, r);
  }
}
