package dev.vesper.machine.boot;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What vmd's sev_register_encryption collects: ranges in the order of their registration, in units
 * of 16 bytes. A block that is registered again is left out, since encrypting it twice would lose
 * it: the end of initialised data and the start of bss usually share one.
 */
final class EncryptedRanges {
  private final List<LoadedGuest.Range> ranges = new ArrayList<>();

  /** What is registered, beginning to end; neighbours are one. */
  private final TreeMap<Long, Long> taken = new TreeMap<>();

  void add(long address, long length, String what) {
    if (length == 0) {
      return;
    }
    long from = address & -16L;
    long to = address + length + 15 & -16L;
    // What lies between the pieces that are there already is new; with them it becomes one piece.
    long start = from;
    long end = to;
    Map.Entry<Long, Long> first = taken.floorEntry(from);
    if (first != null && first.getValue() >= from) {
      start = first.getKey();
    }
    long gap = from;
    for (Map.Entry<Long, Long> t = taken.ceilingEntry(start);
        t != null && t.getKey() <= to;
        t = taken.higherEntry(t.getKey())) {
      piece(gap, t.getKey(), what);
      gap = Math.max(gap, t.getValue());
      end = Math.max(end, t.getValue());
      taken.remove(t.getKey());
    }
    piece(gap, to, what);
    taken.put(start, end);
  }

  private void piece(long from, long to, String what) {
    if (from < to) {
      ranges.add(new LoadedGuest.Range(from, to - from, what));
    }
  }

  List<LoadedGuest.Range> list() {
    return List.copyOf(ranges);
  }
}
