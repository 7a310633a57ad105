package dev.vesper.machine.observe.check;

import dev.vesper.machine.observe.At;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Collects findings: each rule once a place, with a count. */
final class Findings {
  /** A guest that breaks rules at ever new addresses must not fill the host's memory. */
  private static final int MOST = 10_000;

  private final List<Finding> first = new ArrayList<>();

  /** How often each rule was broken at each address. */
  private final Map<Rule, Map<Long, Integer>> count = new EnumMap<>(Rule.class);

  private final Map<Long, At> places = new HashMap<>();

  /** Remembers the name of an address. */
  void place(At e) {
    if (places.size() < MOST) {
      places.put(e.rip(), e);
    }
  }

  /**
   * Reports a breach at the place of an event.
   *
   * @param vc number of the #VC in service
   * @param message asked for the first time only: the same breach comes thousands of times
   */
  void add(Rule rule, At at, long vc, Supplier<String> message) {
    add(rule, at, at.rip(), vc, message);
  }

  /** Reports a breach at an address that the guest accessed its GHCB from, seen by an event. */
  void add(Rule rule, At seen, long rip, long vc, Supplier<String> message) {
    Map<Long, Integer> times = count.computeIfAbsent(rule, r -> new HashMap<>());
    if (first.size() >= MOST && !times.containsKey(rip) || times.merge(rip, 1, Integer::sum) > 1) {
      return;
    }
    At p = rip == seen.rip() ? seen : places.getOrDefault(rip, seen);
    boolean named = p.rip() == rip;
    first.add(
        new Finding(
            rule,
            seen.vcpu(),
            seen.time(),
            rip,
            named ? p.symbol() : "",
            named ? p.source() : "",
            named ? p.instruction() : "",
            seen.cpl(),
            vc,
            message.get()));
  }

  /** {@return how many there are} */
  int size() {
    return first.size();
  }

  /** {@return the last one, or null if there is none} */
  @Nullable Finding latest() {
    return first.isEmpty() ? null : first.getLast();
  }

  /** {@return the findings in the order in which they were seen} */
  List<Finding> all() {
    return new ArrayList<>(first);
  }

  /** {@return how often a finding was seen} */
  int count(Finding f) {
    return count.getOrDefault(f.rule(), Map.of()).getOrDefault(f.rip(), 0);
  }
}
