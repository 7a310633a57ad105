package dev.vesper.machine.fuzz;

import java.io.ByteArrayOutputStream;

/** Writes numbers as bytes, little-endian. */
final class Words {
  private final ByteArrayOutputStream out = new ByteArrayOutputStream();

  Words u8(long... v) {
    for (long x : v) {
      out.write((int) x);
    }
    return this;
  }

  Words u16(long... v) {
    return put(2, v);
  }

  Words u32(long... v) {
    return put(4, v);
  }

  Words u64(long... v) {
    return put(8, v);
  }

  Words bytes(byte[] b) {
    out.writeBytes(b);
    return this;
  }

  Words zeros(int n) {
    return bytes(new byte[n]);
  }

  private Words put(int bytes, long... v) {
    for (long x : v) {
      for (int i = 0; i < bytes; i++) {
        out.write((int) (x >> 8 * i));
      }
    }
    return this;
  }

  int length() {
    return out.size();
  }

  byte[] done() {
    return out.toByteArray();
  }
}
