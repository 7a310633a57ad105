package dev.vesper.machine.device.net;

import java.nio.ByteBuffer;

/** The Internet checksum (RFC 1071), with the pseudo headers of both protocols. */
final class Checksum {
  private Checksum() {}

  /**
   * {@return the ones' complement sum of 16-bit words}
   *
   * @param start what is added
   */
  static int sum(ByteBuffer b, int from, int length, int start) {
    long s = start & 0xFFFF_FFFFL;
    for (int i = 0; i + 1 < length; i += 2) {
      s += b.getShort(from + i) & 0xFFFF;
    }
    if ((length & 1) != 0) {
      s += (b.get(from + length - 1) & 0xFF) << 8;
    }
    while (s >> 16 != 0) {
      s = (s & 0xFFFF) + (s >> 16);
    }
    return (int) s;
  }

  /** {@return the sum of addresses, protocol and length (RFC 9293, 3.1; RFC 8200, 8.1)} */
  static int pseudo(IpAddress from, IpAddress to, int protocol, int length) {
    ByteBuffer b = ByteBuffer.allocate(40);
    if (from.isV4()) {
      b.putInt(from.asV4()).putInt(to.asV4());
    } else {
      from.put(b);
      to.put(b);
    }
    b.putInt(length).putInt(protocol);
    return sum(b, 0, b.position(), 0);
  }
}
