package dev.vesper.machine.observe;

import java.util.Arrays;
import java.util.HexFormat;

/** Bytes that nobody changes any more. */
public final class Bytes {
  /** No bytes. */
  public static final Bytes NONE = new Bytes(new byte[0]);

  /** Never changed, but by whoever makes it of a file that has a machine's state. */
  private byte[] b;

  /** 0 until somebody asks. */
  private int hash;

  /** What is to have the bytes of another, which are read from a file. */
  Bytes() {
    this(new byte[0]);
  }

  private Bytes(byte[] b) {
    this.b = b;
  }

  /** {@return a copy of bytes} */
  public static Bytes of(byte... bytes) {
    return of(bytes, 0, bytes.length);
  }

  /** {@return a copy of the bytes of a range; {@code to} is behind the last} */
  public static Bytes of(byte[] bytes, int from, int to) {
    return from == to ? NONE : new Bytes(Arrays.copyOfRange(bytes, from, to));
  }

  /** {@return how many there are} */
  public int length() {
    return b.length;
  }

  /** {@return whether there are none} */
  public boolean isEmpty() {
    return b.length == 0;
  }

  /** {@return a byte} */
  public byte get(int i) {
    return b[i];
  }

  /** {@return a copy} */
  public byte[] toArray() {
    return b.clone();
  }

  /** {@return whether these are all of the first {@code count} bytes of others} */
  public boolean areFirst(byte[] others, int count) {
    return Arrays.equals(b, 0, b.length, others, 0, count);
  }

  /** {@return whether a range of these bytes equals a range of others} */
  public boolean matches(int from, Bytes other, int otherFrom, int length) {
    return Arrays.equals(b, from, from + length, other.b, otherFrom, otherFrom + length);
  }

  /** {@return the bytes of a range in hex without spaces; {@code to} is behind the last} */
  public String hex(int from, int to) {
    return HexFormat.of().formatHex(b, from, to);
  }

  @Override
  public boolean equals(Object o) {
    return o == this || o instanceof Bytes x && Arrays.equals(b, x.b);
  }

  @Override
  public int hashCode() {
    if (hash == 0) {
      hash = Arrays.hashCode(b);
    }
    return hash;
  }

  /** {@return the bytes in hex without spaces} */
  @Override
  public String toString() {
    return HexFormat.of().formatHex(b);
  }
}
