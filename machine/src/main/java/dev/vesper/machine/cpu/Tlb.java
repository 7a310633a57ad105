package dev.vesper.machine.cpu;

import dev.vesper.machine.memory.Page;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A software TLB for one privilege class (user or supervisor), direct-mapped by a hashed page
 * number. A tag is the page's linear address; {@link #NONE} matches nothing. Read, write and
 * execute have their own tags, so a hit is also the permission check; a page that code was decoded
 * from has no write tag.
 */
final class Tlb {
  static final int ENTRIES = 2048;
  static final long NONE = 1;

  /** In a read or write tag: an observer watches the page, so the fast paths must miss. */
  static final long WATCHED = 2;

  final long[] read = new long[ENTRIES];
  final long[] write = new long[ENTRIES];
  final long[] exec = new long[ENTRIES];
  final @Nullable Page[] page = new Page[ENTRIES];
  final byte[][] data = new byte[ENTRIES][];
  final boolean[] global = new boolean[ENTRIES];
  private static final byte[] NOTHING = {};

  /** Something was filled in since the last full flush. */
  boolean used = true;

  Tlb() {
    flush(true);
  }

  static int index(long la) {
    return (int) (la >>> 12 ^ la >>> 23) & ENTRIES - 1;
  }

  void flush(boolean all) {
    if (!used) {
      return;
    }
    if (all) {
      used = false;
      Arrays.fill(read, NONE);
      Arrays.fill(write, NONE);
      Arrays.fill(exec, NONE);
      Arrays.fill(page, null);
      Arrays.fill(data, NOTHING);
      return;
    }
    for (int i = 0; i < ENTRIES; i++) {
      if (!global[i]) {
        clear(i);
      }
    }
  }

  void flushPage(long la) {
    int i = index(la);
    long p = la & -4096L;
    if ((read[i] & ~WATCHED) == p || (write[i] & ~WATCHED) == p || exec[i] == p) {
      clear(i);
    }
  }

  void flushFrame(int frame) {
    for (int i = 0; i < ENTRIES; i++) {
      Page p = page[i];
      if (p != null && p.frame == frame) {
        clear(i);
      }
    }
  }

  /** Makes the fast paths miss a page from now on, or hit it again. */
  void watchFrame(int frame, boolean on) {
    for (int i = 0; i < ENTRIES; i++) {
      Page p = page[i];
      if (p != null && p.frame == frame) {
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
      Page p = page[i];
      if (p != null && p.frame == frame) {
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
    for (int i = 0; i < ENTRIES; i++) {
      Page p = page[i];
      if (p != null && p.frame == frame) {
        write[i] = NONE;
      }
    }
  }

  private void clear(int i) {
    read[i] = NONE;
    write[i] = NONE;
    exec[i] = NONE;
    page[i] = null;
    data[i] = NOTHING;
  }
}
