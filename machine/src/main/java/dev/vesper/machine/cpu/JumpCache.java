package dev.vesper.machine.cpu;

import dev.vesper.machine.memory.RawMemory;
import java.util.Arrays;

/**
 * Where native code finds the code of an address that it goes to, direct-mapped by {@link #index}:
 * an entry has the negative of RIP, and where its code is. What is in it is in the TLB of code too,
 * so that whatever takes a page out of that takes it out of this; of an instruction that crosses
 * into another page, both pages are.
 *
 * <p>An entry without anything is zero, as the memory is at first; RIP 0 alone would be found in
 * it, so that the first entry is {@link #NOTHING} then. What was filled in is listed, what goes
 * with its address space and what stays apart: kernels flush with every change of address space,
 * and keep their own pages, which are most.
 */
final class JumpCache {
  private static final int ENTRIES = 1 << 16;
  private static final long NOTHING = 1;

  // Marks of an entry: it is in one of the lists below, and what is in it.
  private static final int LISTED_LOCAL = 1;
  private static final int LISTED_GLOBAL = 2;
  private static final int GLOBAL = 4;
  private static final int CROSSING = 8;

  private final long base;
  private final byte[] marks = new byte[ENTRIES];

  /** Indexes of entries that may hold something: of one address space, and of all. */
  private int[] local = new int[64];

  private int locals;
  private int[] global = new int[64];
  private int globals;

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

  /**
   * {@return the entry of an address} The low sixteen bits alone would have most functions of a
   * kernel share a few thousand entries, because they are aligned.
   */
  static int index(long rip) {
    return (int) (rip + (rip >>> 16)) & ENTRIES - 1;
  }

  /** {@return whether it leads from an address to a code} */
  boolean has(long rip, long code) {
    long at = at(index(rip));
    return RawMemory.get64(at) == -rip && RawMemory.get64(at + 8) == code;
  }

  /**
   * @param isGlobal the page stays when address spaces change
   * @param crossing the instruction there runs on into the next page
   */
  void fill(long rip, long code, boolean isGlobal, boolean crossing) {
    int i = index(rip);
    int listed = marks[i] & (LISTED_LOCAL | LISTED_GLOBAL);
    int list = isGlobal ? LISTED_GLOBAL : LISTED_LOCAL;
    if ((listed & list) == 0) {
      list(i, isGlobal);
    }
    marks[i] = (byte) (listed | list | (isGlobal ? GLOBAL : 0) | (crossing ? CROSSING : 0));
    RawMemory.put64(at(i), -rip);
    RawMemory.put64(at(i) + 8, code);
  }

  private void list(int i, boolean isGlobal) {
    if (isGlobal) {
      if (globals == global.length) {
        global = Arrays.copyOf(global, 2 * globals);
      }
      global[globals++] = i;
    } else {
      if (locals == local.length) {
        local = Arrays.copyOf(local, 2 * locals);
      }
      local[locals++] = i;
    }
  }

  /**
   * @param all those of global pages too
   */
  void flush(boolean all) {
    for (int n = 0; n < locals; n++) {
      int i = local[n];
      if ((marks[i] & GLOBAL) == 0) {
        empty(i);
      }
      marks[i] = (byte) (marks[i] & ~LISTED_LOCAL);
    }
    locals = 0;
    if (all) {
      for (int n = 0; n < globals; n++) {
        empty(global[n]);
        marks[global[n]] = 0;
      }
      globals = 0;
    }
  }

  /** Lets go of what lies in a page, if only with its end. */
  void flushPage(long page) {
    flushPage(page, local, locals);
    flushPage(page, global, globals);
  }

  private void flushPage(long page, int[] list, int count) {
    for (int n = 0; n < count; n++) {
      int i = list[n];
      long own = -RawMemory.get64(at(i)) & -4096L;
      if (own == page || (marks[i] & CROSSING) != 0 && own + 4096 == page) {
        empty(i);
      }
    }
  }
}
