package dev.vesper.fuzz;

import dev.vesper.machine.observe.OperandListener;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Collects what a guest compares and what it reads from shared pages, in one execution. Of code
 * that runs often a few comparisons are enough, and of an address the first read behind each
 * question.
 */
final class Glance implements OperandListener {
  /** Instructions that are looked at: interpreting them is what an entry's first look costs. */
  static final long INSTRUCTIONS = 2_000_000;

  private static final int OF_A_PLACE = 16;
  private static final int MOST = 4096;
  private static final int MOST_READS = 256;

  private final LyingHost host;
  private final Map<Long, Integer> places = new HashMap<>();
  private final Set<Comparison> comparisons = new LinkedHashSet<>();
  private final Set<List<Object>> known = new HashSet<>();
  private final List<SharedRead> reads = new ArrayList<>();

  Glance(LyingHost host) {
    this.host = host;
  }

  @Override
  public void compares(long rip, long left, long right, int bytes) {
    if (comparisons.size() < MOST && places.getOrDefault(rip, 0) < OF_A_PLACE) {
      if (comparisons.add(new Comparison(left, right, bytes))) {
        places.merge(rip, 1, Integer::sum);
      }
    }
  }

  @Override
  public void reads(long rip, long gpa, int bytes, long value) {
    LyingHost.Asked last = host.last();
    // Answers lie in a GHCB: they are changed where they are given.
    if (last == null || reads.size() == MOST_READS || host.isGhcb(gpa)) {
      return;
    }
    if (!known.add(List.of(last.site(), gpa))) {
      return;
    }
    reads.add(new SharedRead(last.site(), last.nth(), gpa, bytes, value));
  }

  /** {@return the comparisons, in the order in which they came} */
  List<Comparison> comparisons() {
    return List.copyOf(comparisons);
  }

  /** {@return the reads, in the order in which they came} */
  List<SharedRead> reads() {
    return List.copyOf(reads);
  }
}
