package dev.vesper.machine.observe.format;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Encodes one protocol-buffer message: varints and length-delimited fields. */
final class ProtoBuffer {
  private byte[] b = new byte[256];
  private int used;

  private void put(int v) {
    if (used == b.length) {
      b = Arrays.copyOf(b, used * 2);
    }
    b[used++] = (byte) v;
  }

  private void varint(long value) {
    long v = value;
    while ((v & ~0x7FL) != 0) {
      put((int) (v & 0x7F | 0x80));
      v >>>= 7;
    }
    put((int) v);
  }

  /** Adds a varint field. */
  ProtoBuffer number(int field, long v) {
    varint((long) field << 3);
    varint(v);
    return this;
  }

  /** Adds a string field. */
  ProtoBuffer text(int field, String s) {
    return bytes(field, s.getBytes(StandardCharsets.UTF_8));
  }

  /** Adds an embedded message. */
  ProtoBuffer message(int field, ProtoBuffer m) {
    return bytes(field, m.toBytes());
  }

  private ProtoBuffer bytes(int field, byte[] v) {
    varint((long) field << 3 | 2);
    varint(v.length);
    for (byte x : v) {
      put(x);
    }
    return this;
  }

  /** {@return the encoded message} */
  byte[] toBytes() {
    return Arrays.copyOf(b, used);
  }
}
