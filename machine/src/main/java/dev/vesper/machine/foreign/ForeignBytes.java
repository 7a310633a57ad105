package dev.vesper.machine.foreign;

import java.nio.charset.Charset;

/**
 * Bytes of a stranger's file, read from front to back; numbers are little-endian. Nothing outside
 * of them is read, no count is believed that the rest cannot hold, and what is read is paid for.
 */
public final class ForeignBytes {
  private final byte[] b;
  private final int start;
  private final int end;
  private final Allowance allowance;
  private int at;

  private ForeignBytes(byte[] b, int start, int end, Allowance allowance) {
    this.b = b;
    this.start = start;
    this.end = end;
    this.allowance = allowance;
    at = start;
  }

  /** {@return all of a file, with an allowance of its own} */
  public static ForeignBytes of(byte[] file) {
    return of(file, Allowance.of(file.length));
  }

  /** {@return all of some bytes} */
  public static ForeignBytes of(byte[] bytes, Allowance allowance) {
    return new ForeignBytes(bytes, 0, bytes.length, allowance);
  }

  /**
   * {@return a part of these bytes, to be read from its beginning}
   *
   * @param offset from the beginning of these
   * @throws Damaged if it lies outside
   */
  public ForeignBytes part(long offset, long length) {
    if (offset < 0 || length < 0 || offset > end - start || length > end - start - offset) {
      throw new Damaged(
          hex(length)
              + " bytes at "
              + hex(offset)
              + " lie outside its "
              + (end - start)
              + " bytes");
    }
    int from = start + (int) offset;
    return new ForeignBytes(b, from, from + (int) length, allowance);
  }

  /** {@return the next bytes as a part; reading goes on behind them} */
  public ForeignBytes next(long length) {
    ForeignBytes p = part(position(), length);
    at = p.end;
    return p;
  }

  private static String hex(long v) {
    return "0x" + Long.toHexString(v);
  }

  /** {@return how far reading has come, from the beginning of these bytes} */
  public int position() {
    return at - start;
  }

  /** {@return how many bytes are left} */
  public int left() {
    return end - at;
  }

  /** {@return how many bytes there are} */
  public int size() {
    return end - start;
  }

  /** {@return what may still be done for the file} */
  public Allowance allowance() {
    return allowance;
  }

  /** {@return a copy of all of these bytes} */
  public byte[] toArray() {
    allowance.spend(size());
    return java.util.Arrays.copyOfRange(b, start, end);
  }

  /**
   * Goes on from elsewhere.
   *
   * @param position from the beginning of these bytes
   * @throws Damaged if it lies outside
   */
  public ForeignBytes seek(long position) {
    if (position < 0 || position > end - start) {
      throw new Damaged("a place at " + hex(position) + " lies outside of it");
    }
    at = start + (int) position;
    return this;
  }

  /**
   * Leaves bytes out.
   *
   * @throws Damaged if there are not as many, or it would go backwards
   */
  public void skip(long bytes) {
    if (bytes < 0 || bytes > left()) {
      throw new Damaged("it ends within " + hex(bytes) + " bytes at " + hex(position()));
    }
    at += (int) bytes;
  }

  /**
   * {@return a count}
   *
   * @param n as the file has it
   * @param least bytes that each of what is counted takes, at least 1
   * @throws Damaged if the rest cannot hold as many
   */
  public int count(long n, int least) {
    if (n < 0 || n > left() / least) {
      throw new Damaged("it counts 0x" + Long.toHexString(n) + " things where it has no room");
    }
    return (int) n;
  }

  private int take(int bytes) {
    if (bytes > end - at) {
      throw new Damaged("it ends within a number at " + hex(position()));
    }
    allowance.spend(bytes);
    int from = at;
    at += bytes;
    return from;
  }

  private int byteAt(long place) {
    return place < 0 || place >= size() ? 0 : b[start + (int) place] & 0xFF;
  }

  /**
   * {@return a number of a header whose places are fixed; what of it lies outside is zero} Reading
   * goes on where it was.
   *
   * @param place from the beginning of these bytes
   * @param bytes 0 to 8
   */
  public long at(long place, int bytes) {
    assert bytes >= 0 && bytes <= 8 : "no number";
    allowance.spend(bytes);
    long v = 0;
    for (int i = 0; i < bytes; i++) {
      v |= (long) byteAt(place + i) << 8 * i;
    }
    return v;
  }

  /** {@return the same of a file that has the high byte first} */
  public long bigEndianAt(long place, int bytes) {
    return bytes == 0 ? 0 : Long.reverseBytes(at(place, bytes)) >>> 64 - 8 * bytes;
  }

  /** {@return the next byte} */
  public int u8() {
    return b[take(1)] & 0xFF;
  }

  /** {@return the next two bytes} */
  public int u16() {
    return (int) number(2);
  }

  /** {@return the next four bytes} */
  public long u32() {
    return number(4);
  }

  /** {@return the next eight bytes} */
  public long u64() {
    return number(8);
  }

  /** {@return the next eight bytes, or four} */
  public long word(boolean wide) {
    return number(wide ? 8 : 4);
  }

  /**
   * {@return the next bytes as a number}
   *
   * @param bytes 0 to 8
   */
  public long number(int bytes) {
    assert bytes >= 0 && bytes <= 8 : "no number";
    int from = take(bytes);
    long v = 0;
    for (int i = 0; i < bytes; i++) {
      v |= (b[from + i] & 0xFFL) << 8 * i;
    }
    return v;
  }

  /** {@return the next number in ULEB128; bits above 63 are lost} */
  public long uleb() {
    long v = 0;
    for (int shift = 0; ; shift += 7) {
      int x = u8();
      v |= shift > 63 ? 0 : (long) (x & 0x7F) << shift;
      if (x < 0x80) {
        return v;
      }
    }
  }

  /** {@return the next number in SLEB128} */
  public long sleb() {
    long v = 0;
    for (int shift = 0; ; ) {
      int x = u8();
      v |= shift > 63 ? 0 : (long) (x & 0x7F) << shift;
      shift += 7;
      if (x < 0x80) {
        return shift < 64 && (x & 0x40) != 0 ? v | -1L << shift : v;
      }
    }
  }

  /**
   * {@return the next text, up to a zero that is left out}
   *
   * @throws Damaged if there is no zero
   */
  public String text(Charset charset) {
    int n = 0;
    while (at + n < end && b[at + n] != 0) {
      n++;
    }
    allowance.spend(n + 1);
    if (at + n == end) {
      throw new Damaged("it ends within a text at " + hex(position()));
    }
    String s = new String(b, at, n, charset);
    at += n + 1;
    return s;
  }

  /**
   * {@return a text of a table of texts, cut at the table's end}
   *
   * @param offset where it begins; there is none outside
   * @param most how many bytes of it are taken
   */
  public String textAt(long offset, int most, Charset charset) {
    if (offset < 0 || offset >= size()) {
      return "";
    }
    int from = start + (int) offset;
    int n = 0;
    while (n < most && from + n < end && b[from + n] != 0) {
      n++;
    }
    allowance.spend(n + 1);
    return new String(b, from, n, charset);
  }
}
