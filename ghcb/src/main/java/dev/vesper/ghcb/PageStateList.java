package dev.vesper.ghcb;

import java.util.List;
import java.util.stream.IntStream;

/**
 * The list of a page state change, in the buffer of a GHCB (spec: snp 3.3): the entry that is next
 * u16 at 0, the last one u16 at 2, a reserved u32 at 4, then entries of 8 bytes. It holds no copy.
 */
public final class PageStateList {
  /** Bytes before the entries. */
  public static final int HEADER = 8;

  /** Bytes of an entry. */
  public static final int ENTRY = 8;

  /** Entries that the buffer has room for. */
  public static final int MOST = (GhcbPage.SHARED_BUFFER_SIZE - HEADER) / ENTRY;

  /** SW_EXITINFO2 for a header that cannot be served. */
  public static final long BAD_HEADER = 0x1_0000_0001L;

  /** SW_EXITINFO2 for an entry that cannot be served. */
  public static final long BAD_ENTRY = 0x1_0000_0002L;

  /** SW_EXITINFO2 for what failed and is of no use to repeat. */
  public static final long FAILED = 0x100_0000_0000L;

  private final byte[] bytes;
  private final int at;

  /**
   * @param bytes what holds the list
   * @param at where it begins there
   */
  public PageStateList(byte[] bytes, int at) {
    this.bytes = bytes;
    this.at = at;
  }

  private long read(int offset, int n) {
    long v = 0;
    for (int i = n - 1; i >= 0; i--) {
      v = v << 8 | bytes[at + offset + i] & 0xFF;
    }
    return v;
  }

  private void write(int offset, int n, long v) {
    for (int i = 0; i < n; i++) {
      bytes[at + offset + i] = (byte) (v >>> 8 * i);
    }
  }

  /** {@return the entry that is served next} */
  public int current() {
    return (int) read(0, 2);
  }

  /** {@return the last entry} */
  public int end() {
    return (int) read(2, 2);
  }

  /** {@return the reserved word} */
  public int reserved() {
    return (int) read(4, 4);
  }

  /** {@return an entry, of those that the buffer has room for} */
  public PageStateEntry entry(int i) {
    return new PageStateEntry(read(HEADER + ENTRY * i, ENTRY));
  }

  /** Sets the entry that is next. */
  public void setCurrent(int i) {
    write(0, 2, i);
  }

  /** Writes an entry. */
  public void setEntry(int i, PageStateEntry e) {
    write(HEADER + ENTRY * i, ENTRY, e.raw());
  }

  /** Writes a list of which nothing is done. */
  public void set(List<PageStateEntry> entries) {
    if (entries.isEmpty() || entries.size() > MOST) {
      throw new IllegalArgumentException(
          "a list of page states has 1 to " + MOST + " entries, not " + entries.size());
    }
    write(0, 2, 0);
    write(2, 2, entries.size() - 1);
    write(4, 4, 0);
    IntStream.range(0, entries.size()).forEach(i -> setEntry(i, entries.get(i)));
  }

  /** {@return what a result of the event means; empty for success} */
  public static String explain(long info2) {
    if (info2 == 0) {
      return "";
    }
    if (info2 == BAD_HEADER) {
      return "the header is wrong: its last entry lies behind the buffer";
    }
    if (info2 == BAD_ENTRY) {
      return "an entry is wrong: its progress is beyond the page, or a 2M page is not aligned";
    }
    return info2 == FAILED ? "the host failed" : "unknown error 0x" + Long.toHexString(info2);
  }

  @Override
  public String toString() {
    return "entries " + current() + " to " + end();
  }
}
