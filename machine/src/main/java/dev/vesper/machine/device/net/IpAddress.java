package dev.vesper.machine.device.net;

import java.nio.ByteBuffer;

/**
 * An address of either Internet protocol; one of version 4 is mapped into version 6 (RFC 4291,
 * 2.5.5.2).
 *
 * @param high its first eight bytes
 * @param low its last eight bytes
 */
record IpAddress(long high, long low) {
  private static final long MAPPED = 0xFFFFL << 32;

  /** {@return an address of version 4} */
  static IpAddress v4(int address) {
    return new IpAddress(0, MAPPED | address & 0xFFFF_FFFFL);
  }

  /** {@return the sixteen bytes at an offset} */
  static IpAddress v6(ByteBuffer b, int at) {
    return new IpAddress(b.getLong(at), b.getLong(at + 8));
  }

  boolean isV4() {
    return high == 0 && low >>> 32 == MAPPED >>> 32;
  }

  /** {@return an address of version 4 as a number} */
  int asV4() {
    return (int) low;
  }

  boolean isMulticast() {
    return high >>> 56 == 0xFF;
  }

  boolean isUnspecified() {
    return (high | low) == 0;
  }

  void put(ByteBuffer b) {
    b.putLong(high).putLong(low);
  }
}
