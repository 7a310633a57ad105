package dev.vesper.machine.boot;

import java.util.ArrayList;
import java.util.List;

/**
 * What vmd's sev_register_encryption collects: ranges in the order of their registration, in units
 * of 16 bytes. A block that is registered again is left out, since encrypting it twice would lose
 * it: the end of initialised data and the start of bss usually share one.
 */
final class EncryptedRanges {
  private final List<LoadedGuest.Range> ranges = new ArrayList<>();

  void add(long address, long length, String what) {
    if (length == 0) {
      return;
    }
    long from = address & -16L;
    long to = address + length + 15 & -16L;
    // Cut off what is there already, piece by piece.
    List<LoadedGuest.Range> left = new ArrayList<>();
    left.add(new LoadedGuest.Range(from, to - from, what));
    for (LoadedGuest.Range r : List.copyOf(ranges)) {
      List<LoadedGuest.Range> next = new ArrayList<>();
      for (LoadedGuest.Range p : left) {
        cut(p, r, next);
      }
      left = next;
    }
    ranges.addAll(left);
  }

  private static void cut(
      LoadedGuest.Range p, LoadedGuest.Range taken, List<LoadedGuest.Range> to) {
    long end = p.address() + p.length();
    long takenEnd = taken.address() + taken.length();
    if (takenEnd <= p.address() || taken.address() >= end) {
      to.add(p);
      return;
    }
    if (p.address() < taken.address()) {
      to.add(new LoadedGuest.Range(p.address(), taken.address() - p.address(), p.what()));
    }
    if (takenEnd < end) {
      to.add(new LoadedGuest.Range(takenEnd, end - takenEnd, p.what()));
    }
  }

  List<LoadedGuest.Range> list() {
    return List.copyOf(ranges);
  }
}
