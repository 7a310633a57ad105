package dev.vesper.fuzz.store;

import java.util.Collection;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** Whose turn it is: of entries the one that was never claimed, or was so longest ago. */
final class Turns {
  private final Map<String, Long> claims = new TreeMap<>();
  private long clock;

  /**
   * {@return the entry whose turn it is, which is claimed then; none if there are no entries}
   *
   * @param names in the order that decides between those that were never claimed
   */
  Optional<String> next(Collection<String> names) {
    String best = null;
    long oldest = Long.MAX_VALUE;
    for (String name : names) {
      long when = claims.getOrDefault(name, 0L);
      if (when < oldest) {
        oldest = when;
        best = name;
      }
    }
    if (best != null) {
      claims.put(best, ++clock);
    }
    return Optional.ofNullable(best);
  }
}
