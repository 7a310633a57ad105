package dev.vesper.machine.launch;

import java.util.UUID;

/** GUIDs as UEFI stores them: the first three fields little endian, the rest as written. */
public final class Guids {
  private Guids() {}

  /** {@return the 16 bytes} */
  public static byte[] bytes(UUID guid) {
    long high = guid.getMostSignificantBits();
    long low = guid.getLeastSignificantBits();
    byte[] b = new byte[16];
    for (int i = 0; i < 4; i++) {
      b[i] = (byte) (high >>> 32 + 8 * i);
    }
    for (int i = 0; i < 2; i++) {
      b[4 + i] = (byte) (high >>> 16 + 8 * i);
      b[6 + i] = (byte) (high >>> 8 * i);
    }
    for (int i = 0; i < 8; i++) {
      b[8 + i] = (byte) (low >>> 56 - 8 * i);
    }
    return b;
  }
}
