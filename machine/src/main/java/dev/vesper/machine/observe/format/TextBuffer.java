package dev.vesper.machine.observe.format;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Text under construction, as the UTF-8 bytes that a file takes. A trace is mostly digits: they go
 * straight into the bytes, with no character or string in between.
 */
public final class TextBuffer {
  private static final byte[] DIGITS = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);

  private static final int FIRST = 256;

  /** Digits of the greatest number. */
  private static final int MOST_DECIMAL = 19;

  private byte[] bytes = new byte[FIRST];
  private int used;

  /** {@return the bytes, with room for some more} */
  private byte[] room(int more) {
    if (bytes.length - used < more) {
      bytes = Arrays.copyOf(bytes, Math.max(2 * bytes.length, used + more));
    }
    return bytes;
  }

  /** Appends an ASCII character. */
  public TextBuffer add(char c) {
    assert c < 0x80 : "not ASCII";
    room(1)[used++] = (byte) c;
    return this;
  }

  /** Appends text that is encoded already. */
  TextBuffer add(byte[] utf8) {
    System.arraycopy(utf8, 0, room(utf8.length), used, utf8.length);
    used += utf8.length;
    return this;
  }

  /** Appends any text. */
  public TextBuffer add(String s) {
    byte[] to = room(s.length());
    int at = used;
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      if (c >= 0x80) {
        return add(s.getBytes(StandardCharsets.UTF_8));
      }
      to[at++] = (byte) c;
    }
    used = at;
    return this;
  }

  /** Appends a number in decimal. */
  public TextBuffer decimal(long v) {
    if (v >= 0 && v < 10) {
      return add((char) ('0' + v));
    }
    if (v < 0) {
      // The least number has no positive counterpart.
      return add(Long.toString(v));
    }
    int digits = 1;
    for (long least = 10; least <= v && digits < MOST_DECIMAL; least *= 10) {
      digits++;
    }
    byte[] to = room(digits);
    long rest = v;
    for (int i = used + digits - 1; i >= used; i--) {
      // Times 2^35 / 10, rounded up: a division takes as long as all of the rest.
      long tenth = rest <= Integer.MAX_VALUE ? rest * 0xCCCC_CCCDL >>> 35 : rest / 10;
      to[i] = (byte) ('0' + rest - 10 * tenth);
      rest = tenth;
    }
    used += digits;
    return this;
  }

  /** Appends an unsigned number in hex, without a prefix and without zeroes before it. */
  TextBuffer hex(long v) {
    digits(room(Long.SIZE / 4), v);
    return this;
  }

  private void digits(byte[] to, long v) {
    int digits = Long.SIZE / 4 - Long.numberOfLeadingZeros(v | 1) / 4;
    if (digits > 8) {
      low(to, v >>> 32, digits - 8);
      digits = 8;
    }
    low(to, v, digits);
  }

  /** Appends the lowest digits of a number, eight at most: all of them are made at once. */
  private void low(byte[] to, long v, int digits) {
    long x = v & 0xFFFF_FFFFL;
    x = (x | x << 16) & 0x0000_FFFF_0000_FFFFL;
    x = (x | x << 8) & 0x00FF_00FF_00FF_00FFL;
    x = (x | x << 4) & 0x0F0F_0F0F_0F0F_0F0FL;
    long letters = x + 0x0606_0606_0606_0606L >>> 4 & 0x0101_0101_0101_0101L;
    x += 0x3030_3030_3030_3030L + letters * ('a' - '0' - 10);
    int at = used;
    for (int shift = 8 * (digits - 1); shift >= 0; shift -= 8) {
      to[at++] = (byte) (x >>> shift);
    }
    used = at;
  }

  /** Appends an ASCII character and an unsigned number in hex behind it. */
  TextBuffer hex(char before, long v) {
    assert before < 0x80 : "not ASCII";
    byte[] to = room(1 + Long.SIZE / 4);
    to[used++] = (byte) before;
    digits(to, v);
    return this;
  }

  /** Appends a byte as two hex digits. */
  TextBuffer hexByte(int v) {
    byte[] to = room(2);
    to[used++] = DIGITS[v >> 4 & 15];
    to[used++] = DIGITS[v & 15];
    return this;
  }

  /** {@return how many bytes there are} */
  public int length() {
    return used;
  }

  /** Begins anew. */
  public void clear() {
    used = 0;
  }

  /** Writes the bytes. */
  void writeTo(OutputStream out) throws IOException {
    out.write(bytes, 0, used);
  }

  /** {@return a copy of the bytes} */
  byte[] toBytes() {
    return Arrays.copyOf(bytes, used);
  }

  @Override
  public String toString() {
    return new String(bytes, 0, used, StandardCharsets.UTF_8);
  }
}
