package dev.vesper.machine.boot;

/** Little-endian fields of an image; reads outside it give zero. */
final class Bytes {
  private Bytes() {}

  static int u8(byte[] b, long at) {
    return at >= 0 && at < b.length ? b[(int) at] & 0xFF : 0;
  }

  static int u16(byte[] b, long at) {
    return u8(b, at) | u8(b, at + 1) << 8;
  }

  static long u32(byte[] b, long at) {
    return u16(b, at) | (long) u16(b, at + 2) << 16;
  }

  /** Writes the low bytes of a number. */
  static void put(byte[] b, int at, int bytes, long v) {
    for (int i = 0; i < bytes; i++) {
      b[at + i] = (byte) (v >> 8 * i);
    }
  }

  static long u64(byte[] b, long at) {
    return u32(b, at) | u32(b, at + 4) << 32;
  }
}
