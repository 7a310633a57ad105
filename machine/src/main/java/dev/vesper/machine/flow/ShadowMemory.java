package dev.vesper.machine.flow;

import dev.vesper.machine.memory.Page;
import java.util.Arrays;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/** Labels of memory, a byte each, of pages that have any. */
final class ShadowMemory {
  private final char[] @Nullable [] pages;

  /** By page: the store that each eight bytes come from; of shared pages alone. */
  private final long[] @Nullable [] stores;

  /**
   * @param frames pages of system memory
   */
  ShadowMemory(int frames) {
    pages = new char[frames][];
    stores = new long[frames][];
  }

  /** {@return the labels of a page, which may be written to} */
  char[] page(int frame) {
    char[] p = pages[frame];
    if (p == null) {
      p = new char[Page.SIZE];
      pages[frame] = p;
    }
    return p;
  }

  /** {@return the labels of a page, or null if nobody has touched it} */
  char @Nullable [] known(int frame) {
    return pages[frame];
  }

  /** {@return the address of the instruction that has written to a place, or 0} */
  long storedBy(int frame, int offset) {
    long[] s = stores[frame];
    return s == null ? 0 : s[offset >> 3];
  }

  /** An instruction has written to a shared page. */
  void stored(int frame, int offset, long rip) {
    long[] s = stores[frame];
    if (s == null) {
      s = new long[Page.SIZE / 8];
      stores[frame] = s;
    }
    s[offset >> 3] = rip;
  }

  /** All of a page is what nobody has chosen: it was encrypted or decrypted where it lies. */
  void scramble(int frame) {
    if (pages[frame] != null) {
      Arrays.fill(page(frame), Labels.PUBLIC);
    }
    stores[frame] = null;
  }

  /** Adds the labels that are in use. */
  void live(BitSet to) {
    for (char[] p : pages) {
      if (p != null) {
        for (char c : p) {
          to.set(c);
        }
      }
    }
  }
}
