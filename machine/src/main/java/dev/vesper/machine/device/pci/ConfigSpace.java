package dev.vesper.machine.device.pci;

import java.util.Arrays;

/**
 * The 256 bytes of a PCI function's configuration space, little-endian, and which of their bits
 * software may change.
 */
final class ConfigSpace {
  private final byte[] bytes = new byte[256];
  private final byte[] writable = new byte[256];

  /** Sets 1, 2 or 4 bytes. */
  void put(int at, int length, int v) {
    for (int i = 0; i < length; i++) {
      bytes[at + i] = (byte) (v >> 8 * i);
    }
  }

  /** Lets software change bits. */
  void allow(int at, int length, int mask) {
    for (int i = 0; i < length; i++) {
      writable[at + i] = (byte) (mask >> 8 * i);
    }
  }

  /** Lets software change every bit of a range. */
  void allowAll(int at, int length) {
    Arrays.fill(writable, at, at + length, (byte) 0xFF);
  }

  /** Reads 1, 2 or 4 bytes. */
  int get(int at, int length) {
    int v = 0;
    for (int i = length - 1; i >= 0; i--) {
      v = v << 8 | bytes[at + i] & 0xFF;
    }
    return v;
  }

  /** Writes as software does: bits that it may not change stay. */
  void write(int at, int length, int v) {
    for (int i = 0; i < length; i++) {
      int mask = writable[at + i];
      bytes[at + i] = (byte) (bytes[at + i] & ~mask | v >> 8 * i & mask);
    }
  }
}
