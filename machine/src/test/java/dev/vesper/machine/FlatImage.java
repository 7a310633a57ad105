package dev.vesper.machine;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** A multiboot image of some 32-bit code. */
final class FlatImage {
  private static final int MAGIC = 0x1BAD_B002;
  private static final int WITH_ADDRESSES = 1 << 16;
  private static final int LOAD = 0x10_0000;
  private static final int HEADER = 32;

  private FlatImage() {}

  static byte[] of(byte[] code) {
    ByteBuffer b = ByteBuffer.allocate(HEADER + code.length).order(ByteOrder.LITTLE_ENDIAN);
    b.putInt(MAGIC).putInt(WITH_ADDRESSES).putInt(-(MAGIC + WITH_ADDRESSES));
    b.putInt(LOAD).putInt(LOAD).putInt(LOAD + HEADER + code.length).putInt(0).putInt(LOAD + HEADER);
    return b.put(code).array();
  }
}
