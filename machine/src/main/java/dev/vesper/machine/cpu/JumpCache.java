package dev.vesper.machine.cpu;

import dev.vesper.machine.memory.RawMemory;
import java.util.Arrays;

/**
 * Where native code finds the code of an address that it goes to, direct-mapped by the low sixteen
 * bits of RIP: an entry has the negative of RIP, and where its code is. What is in it is in the TLB
 * of code too, so that whatever takes a page out of that takes it out of this.
 *
 * <p>An entry without anything is zero, as the memory is at first; RIP 0 alone would be found in
 * it, so that the first entry is {@link #NOTHING} then. What was filled in is listed: kernels flush
 * with every change of address space, and keep their own pages.
 */
final class JumpCache {
  private static final int ENTRIES = 1 << 16;
  private static final long NOTHING = 1;
  private static final int LISTED = 1;
  private static final int GLOBAL = 2;

  private final long base;
  private final byte[] marks = new byte[ENTRIES];
  private int[] filled = new int[64];
  private int count;

  /**
   * @param base address of its entries, sixteen bytes each, zero at first
   */
  JumpCache(long base) {
    this.base = base;
    empty(0);
  }

  private long at(int i) {
    return base + 16L * i;
  }

  private void empty(int i) {
    RawMemory.put64(at(i), i == 0 ? NOTHING : 0);
  }

  /** {@return whether it leads from an address to a code} */
  boolean has(long rip, long code) {
    long at = at((int) rip & ENTRIES - 1);
    return RawMemory.get64(at) == -rip && RawMemory.get64(at + 8) == code;
  }

  /**
   * @param global the page stays when address spaces change
   */
  void fill(long rip, long code, boolean global) {
    int i = (int) rip & ENTRIES - 1;
    if (marks[i] == 0) {
      if (count == filled.length) {
        filled = Arrays.copyOf(filled, 2 * count);
      }
      filled[count++] = i;
    }
    marks[i] = (byte) (global ? LISTED | GLOBAL : LISTED);
    RawMemory.put64(at(i), -rip);
    RawMemory.put64(at(i) + 8, code);
  }

  /**
   * @param all those of global pages too
   */
  void flush(boolean all) {
    int kept = 0;
    for (int n = 0; n < count; n++) {
      int i = filled[n];
      if (all || (marks[i] & GLOBAL) == 0) {
        empty(i);
        marks[i] = 0;
      } else {
        filled[kept++] = i;
      }
    }
    count = kept;
  }

  /** Lets go of what lies in a page. */
  void flushPage(long page) {
    int kept = 0;
    for (int n = 0; n < count; n++) {
      int i = filled[n];
      if ((-RawMemory.get64(at(i)) & -4096L) == page) {
        empty(i);
        marks[i] = 0;
      } else {
        filled[kept++] = i;
      }
    }
    count = kept;
  }
}
