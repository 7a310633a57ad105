package dev.vesper.machine.device;

/** The 256 bytes of a PCI function's configuration space, little-endian. */
final class ConfigSpace {
  private final byte[] bytes = new byte[256];

  /** Writes 1, 2 or 4 bytes. */
  void put(int at, int length, int v) {
    for (int i = 0; i < length; i++) {
      bytes[at + i] = (byte) (v >> 8 * i);
    }
  }

  /** Reads 1, 2 or 4 bytes. */
  int get(int at, int length) {
    int v = 0;
    for (int i = length - 1; i >= 0; i--) {
      v = v << 8 | bytes[at + i] & 0xFF;
    }
    return v;
  }
}
