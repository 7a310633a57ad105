package dev.vesper.cli.gdb;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;

/** How packets are written: {@code $data#checksum}, with numbers and bytes in hexadecimal. */
final class Packets {
  /** The greatest packet that is taken, in bytes of data. */
  static final int LARGEST = 0x20000;

  private static final int ESCAPE = '}';
  private static final int ESCAPED = 0x20;
  private static final HexFormat HEX = HexFormat.of();

  private Packets() {}

  /** {@return a packet with its frame} */
  static byte[] framed(byte[] data) {
    int sum = 0;
    for (byte b : data) {
      sum += b;
    }
    byte[] out = new byte[data.length + 4];
    out[0] = '$';
    System.arraycopy(data, 0, out, 1, data.length);
    out[data.length + 1] = '#';
    out[data.length + 2] = (byte) HEX.toHighHexDigit(sum);
    out[data.length + 3] = (byte) HEX.toLowHexDigit(sum);
    return out;
  }

  static byte[] text(String s) {
    return s.getBytes(StandardCharsets.ISO_8859_1);
  }

  static String text(byte[] b) {
    return new String(b, StandardCharsets.ISO_8859_1);
  }

  /** {@return bytes in hexadecimal} */
  static String hex(byte[] bytes) {
    return HEX.formatHex(bytes);
  }

  /** {@return a text in hexadecimal} */
  static String hex(String s) {
    return HEX.formatHex(s.getBytes(StandardCharsets.UTF_8));
  }

  /** {@return the bytes that hexadecimal digits stand for, or null if they stand for none} */
  static byte @Nullable [] bytes(String hex) {
    try {
      return HEX.parseHex(hex);
    } catch (IllegalArgumentException e) {
      return null;
    }
  }

  /** {@return binary data as a packet has it: what means something to the frame is escaped} */
  static byte[] escaped(String before, byte[] data, int from, int to) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(text(before));
    for (int i = from; i < to; i++) {
      int b = data[i] & 0xFF;
      if (b == '#' || b == '$' || b == '*' || b == ESCAPE) {
        out.write(ESCAPE);
        b ^= ESCAPED;
      }
      out.write(b);
    }
    return out.toByteArray();
  }

  /** {@return binary data without its escapes} */
  static byte[] unescaped(byte[] data, int from) {
    byte[] out = new byte[data.length - from];
    int n = 0;
    for (int i = from; i < data.length; i++) {
      byte b = data[i];
      if (b == ESCAPE && i + 1 < data.length) {
        b = (byte) (data[++i] ^ ESCAPED);
      }
      out[n++] = b;
    }
    return Arrays.copyOf(out, n);
  }

  /**
   * {@return a number of up to 16 hexadecimal digits}
   *
   * @throws NumberFormatException if it is none
   */
  static long number(String hex) {
    if (hex.isEmpty() || hex.length() > 16 || hex.charAt(0) == '+' || hex.charAt(0) == '-') {
      throw new NumberFormatException(hex);
    }
    return Long.parseUnsignedLong(hex, 16);
  }

  /** {@return a number as its bytes in hexadecimal, the least significant first} */
  static String littleEndian(long v, int bytes) {
    StringBuilder b = new StringBuilder();
    for (int i = 0; i < bytes; i++) {
      HEX.toHexDigits(b, (byte) (i < 8 ? v >>> 8 * i : 0));
    }
    return b.toString();
  }
}
