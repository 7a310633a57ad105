package dev.vesper.machine.cpu;

import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.RawMemory;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.function.IntFunction;
import java.util.function.LongPredicate;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A software TLB for one privilege class (user or supervisor), of data or of code, direct-mapped by
 * the low bits of the page number. Reads and writes have their own tags, so a hit is also the
 * permission check. A page that code was decoded from, or whose bytes somebody wants before they
 * change, has no write tag: whether it may be written to is remembered beside it, so that stores to
 * it do what they do to other pages. In a TLB of code the read tag is that of fetches.
 *
 * <p>A tag is the negative of the page's linear address. An access of n bytes, 1 to 64, at {@code
 * la} hits its entry if {@code la + tag}, unsigned, is at most {@code 4096 - n}; or, which is the
 * same for all tags that there are, if {@code la + tag + n - 1}, unsigned, is below 4096. One
 * comparison settles presence, permission and that the access does not run into the next page,
 * because of what {@code la + tag} is modulo 2^28, of which the index is the upper 16 bits:
 *
 * <ul>
 *   <li>The tag of a page: la and page have the same index, so it is 0 to 4095, the offset in the
 *       page. A number that small means that la lies in that page and no alias of it.
 *   <li>An empty entry, tag 0: it is index * 4096 to index * 4096 + 4095. Only at index 0 is that
 *       an offset in a page, and only at index 0xFFFF is it an offset once n - 1 is added to it (an
 *       access that wraps around at the top). These two have the tag {@link #EMPTY} when they are
 *       empty, 2^27, with which it is 2^27 to 2^27 + 4095 or 2^27 - 4096 to 2^27 - 1.
 *   <li>A page that an observer watches, whose tag is {@link #WATCHED} more: it is 2^27 + 1 to 2^27
 *       + 4096.
 * </ul>
 *
 * <p>No tag of a page is that of its entry when it is empty: 0 is the tag of page 0, whose index is
 * 0; 2^27 is that of page -2^27, whose index is 0x8000. Tags of watched pages alone are odd.
 *
 * <p>Tags and the addresses of bytes lie outside the Java heap in memory that is zero, and mostly
 * untouched, at first. What was filled in is listed, so that a flush costs what it removes: kernels
 * flush with every change of address space.
 */
final class Tlb {
  static final int ENTRIES = 1 << 16;

  /** What the entries with the first and the last index have for a tag when they are empty. */
  static final long EMPTY = 1L << 27;

  /** What a tag is more if an observer watches the page, so that the fast paths miss. */
  static final long WATCHED = EMPTY | 1;

  private static final int ENTRY_BYTES = 8;
  private static final int TABLE_BYTES = ENTRIES * ENTRY_BYTES;

  /** How many lists there are of entries by frame. */
  private static final int CHAINS = 1 << 12;

  // Marks of an entry: it is in one of the lists below, and the page is a global one.
  private static final int LISTED_LOCAL = 1;
  private static final int LISTED_GLOBAL = 2;
  private static final int GLOBAL = 4;

  /** The page may be written to, but somebody is to be told before: there is no write tag. */
  private static final int TOLD = 8;

  /** Within {@link #refill}: it is to have something. */
  private static final int WANTED = 16;

  /**
   * Where the tables lie.
   *
   * @param memory in which they lie, and which is kept as long as this can be reached
   * @param read address of the tags of reads or fetches, eight bytes for each entry
   * @param write address of the tags of writes
   * @param host address of what is to be added to a linear address to have that of its byte in this
   *     process; of use only in an entry whose tag hits
   */
  record Tables(MemorySegment memory, long read, long write, long host) {
    /**
     * {@return the tables of one of several TLBs, one behind the other}
     *
     * @param memory of zero bytes
     * @param offset where the first one's are
     */
    static Tables of(MemorySegment memory, long offset, int which) {
      long at = memory.address() + offset + 3L * TABLE_BYTES * which;
      return new Tables(memory, at, at + TABLE_BYTES, at + 2L * TABLE_BYTES);
    }
  }

  final Tables tables;
  final @Nullable Page[] page = new Page[ENTRIES];
  private final byte[] marks = new byte[ENTRIES];

  /** Indexes of entries that may hold something: of one address space, and of all. */
  private int[] local = new int[64];

  private int locals;
  private int[] global = new int[64];
  private int globals;

  /** By frame: one more than the index of an entry that holds such a frame, or 0. */
  private final int[] first = new int[CHAINS];

  /** One more than the index of the next entry in the same list by frame, or 0. */
  private final int[] next = new int[ENTRIES];

  /**
   * @param tables of zero bytes
   */
  Tlb(Tables tables) {
    this.tables = tables;
    for (int i : new int[] {0, ENTRIES - 1}) {
      setRead(i, EMPTY);
      setWrite(i, EMPTY);
    }
  }

  /** {@return the entry of a linear address} */
  static int index(long la) {
    return (int) (la >>> 12) & ENTRIES - 1;
  }

  /** {@return where in a table the entry of a linear address is} */
  static long offset(long la) {
    return la >>> 9 & (ENTRIES - 1L) * ENTRY_BYTES;
  }

  /** {@return the tag of a page that is not watched} */
  static long tag(long page) {
    return -page;
  }

  long read(int i) {
    return RawMemory.get64(tables.read + (long) i * ENTRY_BYTES);
  }

  void setRead(int i, long tag) {
    RawMemory.put64(tables.read + (long) i * ENTRY_BYTES, tag);
  }

  long write(int i) {
    return RawMemory.get64(tables.write + (long) i * ENTRY_BYTES);
  }

  void setWrite(int i, long tag) {
    RawMemory.put64(tables.write + (long) i * ENTRY_BYTES, tag);
  }

  /** {@return the tag of an entry that matches nothing} */
  static long empty(int i) {
    return i == 0 || i == ENTRIES - 1 ? EMPTY : 0;
  }

  /** {@return a tag as it is when nobody watches the page} */
  static long unwatched(long tag) {
    return (tag & 1) != 0 ? tag - WATCHED : tag;
  }

  /** {@return whether the page of an entry stays when address spaces change} */
  boolean isGlobal(int i) {
    return (marks[i] & GLOBAL) != 0;
  }

  /** {@return whether an entry holds a frame} */
  boolean has(int frame) {
    return holding(frame, first[chain(frame)]) >= 0;
  }

  /** {@return the linear address of the page that an entry holds} */
  long linearAt(int i) {
    return -unwatched(read(i));
  }

  /**
   * Puts a page into an entry, with no right to write to it.
   *
   * @param linear address of the page
   * @param watched an observer watches it
   */
  void fill(int i, long linear, Page p, boolean isGlobal, boolean watched) {
    Page former = page[i];
    if (former != p) {
      if (former != null) {
        unlink(i, former);
      }
      page[i] = p;
      next[i] = first[chain(p.frame)];
      first[chain(p.frame)] = i + 1;
    }
    list(i, isGlobal);
    marks[i] &= ~TOLD;
    RawMemory.put64(tables.host + (long) i * ENTRY_BYTES, p.address - linear);
    setRead(i, watched(tag(linear), watched));
    setWrite(i, empty(i));
  }

  /** Lets an entry be written to that was filled. */
  void allowWrites(int i) {
    setWrite(i, read(i));
    marks[i] &= ~TOLD;
  }

  /** Lets it be written to by those who say so before. */
  void allowToldWrites(int i) {
    setWrite(i, empty(i));
    marks[i] |= TOLD;
  }

  /** {@return whether an entry may be written to by who says so before} */
  boolean allowsToldWrites(int i) {
    return (marks[i] & TOLD) != 0;
  }

  private void list(int i, boolean isGlobal) {
    int m = marks[i];
    if (isGlobal) {
      if ((m & LISTED_GLOBAL) == 0) {
        if (globals == global.length) {
          global = Arrays.copyOf(global, 2 * globals);
        }
        global[globals++] = i;
      }
      marks[i] = (byte) (m | LISTED_GLOBAL | GLOBAL);
    } else {
      if ((m & LISTED_LOCAL) == 0) {
        if (locals == local.length) {
          local = Arrays.copyOf(local, 2 * locals);
        }
        local[locals++] = i;
      }
      marks[i] = (byte) ((m | LISTED_LOCAL) & ~GLOBAL);
    }
  }

  private static int chain(int frame) {
    return frame & CHAINS - 1;
  }

  private void unlink(int i, Page p) {
    int head = chain(p.frame);
    if (first[head] == i + 1) {
      first[head] = next[i];
      return;
    }
    int before = first[head] - 1;
    while (next[before] != i + 1) {
      before = next[before] - 1;
    }
    next[before] = next[i];
  }

  private void empty(int i, Page p) {
    setRead(i, empty(i));
    setWrite(i, empty(i));
    marks[i] &= ~TOLD;
    page[i] = null;
    unlink(i, p);
  }

  void flush(boolean all) {
    for (int n = 0; n < locals; n++) {
      int i = local[n];
      Page p = page[i];
      if (p != null && (all || (marks[i] & GLOBAL) == 0)) {
        empty(i, p);
      }
      marks[i] = (byte) (marks[i] & ~LISTED_LOCAL);
    }
    locals = 0;
    if (all) {
      for (int n = 0; n < globals; n++) {
        int i = global[n];
        Page p = page[i];
        if (p != null) {
          empty(i, p);
        }
        marks[i] = 0;
      }
      globals = 0;
    }
  }

  void flushPage(long la) {
    int i = index(la);
    Page p = page[i];
    if (p != null && linearAt(i) == (la & -Page.SIZE)) {
      empty(i, p);
    }
  }

  void flushFrame(int frame) {
    for (int n = first[chain(frame)]; n != 0; ) {
      int i = n - 1;
      n = next[i];
      Page p = page[i];
      if (p != null && p.frame == frame) {
        empty(i, p);
      }
    }
  }

  /** {@return the next entry that holds a frame, from one of its list on, or -1} */
  private int holding(int frame, int from) {
    for (int n = from; n != 0; n = next[n - 1]) {
      Page p = page[n - 1];
      if (p != null && p.frame == frame) {
        return n - 1;
      }
    }
    return -1;
  }

  /** Makes the fast paths miss the pages that are watched, and hit all others. */
  void watch(Predicate<Page> seen, LongPredicate pages) {
    for (int head : first) {
      for (int n = head; n != 0; n = next[n - 1]) {
        Page p = page[n - 1];
        if (p != null) {
          setWatched(n - 1, seen.test(p) || pages.test(linearAt(n - 1)));
        }
      }
    }
  }

  /** Makes the fast paths miss a page from now on, or hit it again. */
  void watchFrame(int frame, boolean on) {
    for (int i = holding(frame, first[chain(frame)]); i >= 0; i = holding(frame, next[i])) {
      setWatched(i, on);
    }
  }

  private void setWatched(int i, boolean on) {
    long tag = watched(tag(linearAt(i)), on);
    boolean writable = write(i) != empty(i);
    setRead(i, tag);
    if (writable) {
      setWrite(i, tag);
    }
  }

  private static long watched(long tag, boolean on) {
    return on ? tag + WATCHED : tag;
  }

  /** {@return the linear address that the TLB has for a frame, of the first entry, or -1} */
  long linear(int frame) {
    int least = ENTRIES;
    for (int i = holding(frame, first[chain(frame)]); i >= 0; i = holding(frame, next[i])) {
      least = Math.min(least, i);
    }
    return least == ENTRIES ? -1 : linearAt(least);
  }

  /** Takes the write tags of a page away: somebody is to be told before it changes. */
  void protectFrame(int frame) {
    for (int i = holding(frame, first[chain(frame)]); i >= 0; i = holding(frame, next[i])) {
      if (write(i) != empty(i)) {
        allowToldWrites(i);
      }
    }
  }

  // ---- what it holds, to be kept

  /** Numbers of an entry in {@link #entries}. */
  private static final int KEPT = 2;

  private static final long KEPT_WRITABLE = 1;
  private static final long KEPT_GLOBAL = 2;

  /** {@return all entries: linear address and marks of each, then its frame} */
  long[] entries() {
    long[] out = new long[KEPT * (locals + globals)];
    int n = 0;
    for (int k = 0; k < locals + globals; k++) {
      boolean inLocal = k < locals;
      int i = inLocal ? local[k] : global[k - locals];
      Page p = page[i];
      // What became global, or no longer is, stands in both lists.
      if (p != null && (inLocal || (marks[i] & LISTED_LOCAL) == 0)) {
        boolean writable = write(i) != empty(i) || allowsToldWrites(i);
        out[n++] = linearAt(i) | (writable ? KEPT_WRITABLE : 0) | (isGlobal(i) ? KEPT_GLOBAL : 0);
        out[n++] = p.frame;
      }
    }
    return Arrays.copyOf(out, n);
  }

  /**
   * Has these entries and no others. Those that it has already stay: going back a little is to cost
   * little.
   *
   * @param kept as {@link #entries} gives them
   * @param pages finds a page by its frame
   * @param seen whether an observer watches a page, or its linear address
   * @return whether something that it had is gone, or has become something else
   */
  boolean refill(
      long[] kept, IntFunction<@Nullable Page> pages, Predicate<Page> seen, LongPredicate watched) {
    for (int n = 0; n < kept.length; n += KEPT) {
      marks[index(kept[n])] |= WANTED;
    }
    boolean changed = unlist(local, locals) | unlist(global, globals);
    locals = 0;
    globals = 0;
    for (int n = 0; n < kept.length; n += KEPT) {
      long linear = kept[n] & -Page.SIZE;
      Page p = pages.apply((int) kept[n + 1]);
      if (p == null) {
        throw new IllegalArgumentException("a TLB entry for a page that there is not");
      }
      int i = index(linear);
      boolean isGlobal = (kept[n] & KEPT_GLOBAL) != 0;
      boolean isWatched = seen.test(p) || watched.test(linear);
      marks[i] &= ~WANTED;
      if (page[i] == p && read(i) == watched(tag(linear), isWatched) && isGlobal == isGlobal(i)) {
        list(i, isGlobal);
      } else {
        changed |= page[i] != null;
        fill(i, linear, p, isGlobal, isWatched);
      }
      if ((kept[n] & KEPT_WRITABLE) != 0) {
        allowWritesTo(i, p);
      } else {
        setWrite(i, empty(i));
        marks[i] &= ~TOLD;
      }
    }
    return changed;
  }

  /** Takes entries off the lists, and empties those that nobody wants. */
  private boolean unlist(int[] list, int count) {
    boolean changed = false;
    for (int n = 0; n < count; n++) {
      int i = list[n];
      Page p = page[i];
      if (p != null && (marks[i] & WANTED) == 0) {
        empty(i, p);
        changed = true;
      }
      marks[i] &= ~(LISTED_LOCAL | LISTED_GLOBAL);
    }
    return changed;
  }

  /** Lets the page of an entry be written to, as its state has it. */
  void allowWritesTo(int i, Page p) {
    if (p.codeLines == 0 && !p.tellsOfChanges()) {
      allowWrites(i);
    } else {
      allowToldWrites(i);
    }
  }
}
