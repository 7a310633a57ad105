package dev.vesper.machine.hostile;

import java.util.Arrays;
import java.util.HexFormat;

/** Bytes that do not change. */
public final class Hex {
  private final byte[] bytes;

  private Hex(byte[] bytes) {
    this.bytes = bytes;
  }

  /** {@return these bytes} */
  public static Hex of(byte[] bytes) {
    return new Hex(bytes.clone());
  }

  /**
   * {@return the bytes of digits}
   *
   * @throws IllegalArgumentException if they are no pairs of hexadecimal digits
   */
  public static Hex of(String digits) {
    return new Hex(HexFormat.of().parseHex(digits));
  }

  /** {@return a copy} */
  public byte[] bytes() {
    return bytes.clone();
  }

  /** {@return how many there are} */
  public int length() {
    return bytes.length;
  }

  @Override
  public boolean equals(Object o) {
    return o instanceof Hex h && Arrays.equals(bytes, h.bytes);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(bytes);
  }

  @Override
  public String toString() {
    return HexFormat.of().formatHex(bytes);
  }
}
