package dev.vesper.machine.trace;

import dev.vesper.machine.observe.Omitted;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Waits for the first use of pages that the guest has validated. A read in the first and one in the
 * last cache line are none: they evict what caches hold of the page (CVE-2025-38560).
 */
final class FirstUses {
  /** How often an instruction at one address is followed. */
  private static final int MOST_AT_ONE_PLACE = 8;

  private static final int MOST_PAGES = 10_000;
  private static final int LINE = 64;
  private static final int PAGE = 4096;

  private static final class Waiting {
    boolean unchanged;
    boolean first;
    boolean last;
  }

  private final Map<Integer, Waiting> pages = new HashMap<>();
  private final PlaceCounts places = new PlaceCounts();

  /**
   * A page was validated.
   *
   * @param rip of PVALIDATE
   * @param unchanged the page was valid already
   * @return whether accesses to the page are to be reported
   */
  boolean validated(long rip, int frame, boolean unchanged) {
    int n = places.meet(rip);
    if (n > MOST_AT_ONE_PLACE && !unchanged || pages.size() >= MOST_PAGES) {
      return false;
    }
    Waiting w = new Waiting();
    w.unchanged = unchanged;
    pages.put(frame, w);
    return true;
  }

  /** {@return whether the use of a page is waited for} */
  boolean waitsFor(int frame) {
    return pages.containsKey(frame);
  }

  /** Nothing more is to be said of a page. */
  void forget(int frame) {
    pages.remove(frame);
  }

  /**
   * A page is accessed. If nothing more is to be said of it, it is no longer waited for.
   *
   * @return what the guest has left out, or null
   */
  @Nullable Omitted accessed(int frame, int offset, int bytes, boolean write) {
    Waiting w = pages.get(frame);
    if (w == null) {
      return null;
    }
    if (w.unchanged) {
      pages.remove(frame);
      return Omitted.UNCHANGED;
    }
    boolean first = !write && offset + bytes <= LINE;
    boolean last = !write && offset >= PAGE - LINE;
    w.first |= first;
    w.last |= last;
    if (w.first && w.last) {
      pages.remove(frame);
    } else if (!first && !last) {
      pages.remove(frame);
      return Omitted.EVICTION;
    }
    return null;
  }
}
