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
    for (long rest = v; rest >= 10; rest /= 10) {
      digits++;
    }
    byte[] to = room(digits);
    long rest = v;
    for (int i = used + digits - 1; i >= used; i--) {
      to[i] = DIGITS[(int) (rest % 10)];
      rest /= 10;
    }
    used += digits;
    return this;
  }

  /** Appends an unsigned number in hex, without a prefix and without zeroes before it. */
  TextBuffer hex(long v) {
    byte[] to = room(Long.SIZE / 4);
    int at = used;
    for (int shift = 60 - Long.numberOfLeadingZeros(v | 1) / 4 * 4; shift >= 0; shift -= 4) {
      to[at++] = DIGITS[(int) (v >>> shift) & 15];
    }
    used = at;
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
