package dev.vesper.machine.cpu;

import dev.vesper.machine.memory.Page;
import java.util.Arrays;
import java.util.function.LongPredicate;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A software TLB for one privilege class (user or supervisor), of data or of code, direct-mapped by
 * a hashed page number. A tag is the page's linear address; {@link #NONE} matches nothing. Reads
 * and writes have their own tags, so a hit is also the permission check; a page that code was
 * decoded from has no write tag. In a TLB of code the read tag is that of fetches.
 *
 * <p>What was filled in is listed, so that a flush costs what it removes: kernels flush with every
 * change of address space.
 */
final class Tlb {
  static final int ENTRIES = 2048;
  static final long NONE = 1;

  /** In a read or write tag: an observer watches the page, so the fast paths must miss. */
  static final long WATCHED = 2;

  final long[] read = new long[ENTRIES];
  final long[] write = new long[ENTRIES];
  final @Nullable Page[] page = new Page[ENTRIES];
  final byte[][] data = new byte[ENTRIES][];
  private final boolean[] global = new boolean[ENTRIES];
  private static final byte[] NOTHING = {};

  /** Indexes of the entries that hold something. */
  private final int[] filled = new int[ENTRIES];

  private int count;

  Tlb() {
    Arrays.fill(read, NONE);
    Arrays.fill(write, NONE);
    Arrays.fill(data, NOTHING);
  }

  /**
   * {@return the entry of a linear address}
   *
   * <p>Neighbouring pages never share one, because the sum moves by one or two: an access that
   * crosses into the next page cannot hit by the tag of its last byte.
   */
  static int index(long la) {
    return (int) ((la >>> 12) + (la >>> 23)) & ENTRIES - 1;
  }

  /** Puts a page into an entry; tags are the caller's business. */
  void fill(int i, Page p, boolean isGlobal) {
    if (page[i] == null) {
      filled[count++] = i;
    }
    page[i] = p;
    data[i] = p.data;
    global[i] = isGlobal;
  }

  void flush(boolean all) {
    int kept = 0;
    for (int n = 0; n < count; n++) {
      int i = filled[n];
      if (all || !global[i]) {
        empty(i);
      } else {
        filled[kept++] = i;
      }
    }
    count = kept;
  }

  void flushPage(long la) {
    int i = index(la);
    long p = la & -4096L;
    if ((read[i] & ~WATCHED) == p || (write[i] & ~WATCHED) == p) {
      remove(i);
    }
  }

  void flushFrame(int frame) {
    for (int n = count - 1; n >= 0; n--) {
      int i = filled[n];
      if (holds(i, frame)) {
        empty(i);
        filled[n] = filled[--count];
      }
    }
  }

  private boolean holds(int i, int frame) {
    Page p = page[i];
    return p != null && p.frame == frame;
  }

  /** Makes the fast paths miss the pages that are watched, and hit all others. */
  void watch(Predicate<Page> seen, LongPredicate pages) {
    for (int n = 0; n < count; n++) {
      int i = filled[n];
      Page p = page[i];
      long tag = (read[i] != NONE ? read[i] : write[i]) & ~WATCHED;
      if (p != null && tag != NONE) {
        boolean on = seen.test(p) || pages.test(tag);
        read[i] = watched(read[i], on);
        write[i] = watched(write[i], on);
      }
    }
  }

  /** Makes the fast paths miss a page from now on, or hit it again. */
  void watchFrame(int frame, boolean on) {
    for (int n = 0; n < count; n++) {
      int i = filled[n];
      if (holds(i, frame)) {
        read[i] = watched(read[i], on);
        write[i] = watched(write[i], on);
      }
    }
  }

  private static long watched(long tag, boolean on) {
    return tag == NONE ? NONE : on ? tag | WATCHED : tag & ~WATCHED;
  }

  /** {@return a linear address that the TLB has for a frame, or -1} */
  long linear(int frame) {
    for (int i = 0; i < ENTRIES; i++) {
      if (holds(i, frame)) {
        long tag = read[i] != NONE ? read[i] : write[i];
        if (tag != NONE) {
          return tag & -4096L;
        }
      }
    }
    return -1;
  }

  /** Takes the write tags of a page away, because code is decoded from it from now on. */
  void protectFrame(int frame) {
    for (int n = 0; n < count; n++) {
      int i = filled[n];
      if (holds(i, frame)) {
        write[i] = NONE;
      }
    }
  }

  private void remove(int i) {
    empty(i);
    for (int n = count - 1; n >= 0; n--) {
      if (filled[n] == i) {
        filled[n] = filled[--count];
        return;
      }
    }
  }

  private void empty(int i) {
    read[i] = NONE;
    write[i] = NONE;
    page[i] = null;
    data[i] = NOTHING;
  }
}
