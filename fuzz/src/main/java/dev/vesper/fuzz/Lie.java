package dev.vesper.fuzz;

import java.util.List;
import java.util.stream.Collectors;

/**
 * One answer that is not what the profile has said.
 *
 * @param site what the guest asks for
 * @param nth at which time it asks, counted from 1 since the machine began; 0 for each time
 * @param changes what is otherwise, in order; at least one
 */
public record Lie(Site site, int nth, List<Change> changes) {
  /** The most changes of one answer. */
  static final int MOST = 64;

  /** Makes a lie. */
  public Lie {
    changes = List.copyOf(changes);
    if (changes.isEmpty() || changes.size() > MOST || nth < 0) {
      throw new IllegalArgumentException("a lie changes something, " + MOST + " times at most");
    }
  }

  /** {@return whether it is told at an occurrence} */
  boolean isAt(int n) {
    return nth == 0 || nth == n;
  }

  @Override
  public String toString() {
    return site
        + "@"
        + (nth == 0 ? "*" : nth)
        + " "
        + changes.stream().map(Change::toString).collect(Collectors.joining(" "));
  }
}
