package dev.vesper.machine.trace;

import java.util.HashMap;
import java.util.Map;

/**
 * How often instructions have been met, by their addresses, of which there may be ever new ones.
 */
final class PlaceCounts {
  private static final int MOST = 10_000;

  private final Map<Long, Integer> times = new HashMap<>();

  /** {@return how often an address has been met, this time too; 1 for one more than are kept} */
  int meet(long rip) {
    return times.size() < MOST || times.containsKey(rip) ? times.merge(rip, 1, Integer::sum) : 1;
  }
}
