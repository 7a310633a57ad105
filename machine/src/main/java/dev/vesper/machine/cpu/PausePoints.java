package dev.vesper.machine.cpu;

import dev.vesper.machine.memory.Page;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Where an observer has processors pause: addresses of code and of data. It is not part of the
 * modelled world, unlike {@link Breakpoints}: the guest cannot see it, and counts, hashes and
 * traces do not depend on it.
 *
 * <p>Nothing is asked while an instruction runs. Blocks of code begin where a pause point may be,
 * so that the run loop meets each at its dispatch; pages with watched data have tags that the fast
 * paths miss.
 */
public final class PausePoints {
  /**
   * Data to watch.
   *
   * @param address linear
   * @param bytes how many, at least 1
   */
  public record Watch(long address, long bytes, boolean reads, boolean writes) {
    boolean meets(long la, int n, boolean write) {
      return (write ? writes : reads) && within(la, n, address, bytes);
    }
  }

  /**
   * Pages to watch for writes of the guest that go out in plaintext: through a mapping without the
   * C-bit.
   *
   * @param first frame number of the first one
   * @param frames how many, at least 1
   */
  public record SharedPages(long first, long frames) {}

  private long[] code = {};
  private final BitSet offsets = new BitSet();
  private Watch[] data = {};
  private SharedPages[] shared = {};

  /** Whether two ranges have a byte in common; they may end at the top of the address space. */
  private static boolean within(long a, long n, long b, long m) {
    return Long.compareUnsigned(a - b, m) < 0 || Long.compareUnsigned(b - a, n) < 0;
  }

  /**
   * Replaces all points. Code that is decoded already must be dropped, and the tags of data be made
   * anew: see {@link Mmu#pausePointsChanged}.
   *
   * @param addresses linear addresses of instructions
   */
  public void set(long[] addresses, List<Watch> watches, List<SharedPages> pages) {
    code = addresses.clone();
    Arrays.sort(code);
    offsets.clear();
    for (long a : code) {
      offsets.set((int) a & 0xFFF);
    }
    data = watches.toArray(new Watch[0]);
    shared = pages.toArray(new SharedPages[0]);
  }

  /** {@return whether code may pause anywhere} */
  boolean hasCode() {
    return code.length != 0;
  }

  /** {@return whether a block must begin at an offset in its page, because code may pause there} */
  boolean beginsBlock(int offset) {
    return offsets.get(offset);
  }

  /** {@return whether to pause at an instruction} */
  boolean at(long la) {
    return Arrays.binarySearch(code, la) >= 0;
  }

  /** {@return whether any data is watched} */
  boolean watchesData() {
    return data.length != 0 || shared.length != 0;
  }

  /**
   * {@return whether data in a page is watched}
   *
   * @param page its linear address
   */
  boolean watchesPage(long page) {
    for (Watch w : data) {
      if (within(page, 4096, w.address, w.bytes)) {
        return true;
      }
    }
    return false;
  }

  /** {@return whether writes to a page are waited for, as it is touched now} */
  boolean watchesShared(@Nullable Page p) {
    if (p == null || !p.isShared()) {
      return false;
    }
    for (SharedPages s : shared) {
      if (Long.compareUnsigned(p.frame - s.first, s.frames) < 0) {
        return true;
      }
    }
    return false;
  }

  /** {@return whether an access is waited for} */
  boolean watches(long la, int bytes, boolean write) {
    for (Watch w : data) {
      if (w.meets(la, bytes, write)) {
        return true;
      }
    }
    return false;
  }
}
