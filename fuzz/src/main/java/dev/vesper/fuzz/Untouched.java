package dev.vesper.fuzz;

import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * What oracles find in a guest whose host tells no lie: that is how the guest is, and no finding.
 * Finer than what tells findings apart, so that another secret by the same way is one.
 */
final class Untouched {
  /** Nothing is known. */
  static final Untouched NOTHING = new Untouched(List.of());

  private final Set<String> keys;

  /** Knows what was found in executions without a lie. */
  Untouched(List<Finding> found) {
    keys = found.stream().map(Untouched::key).collect(Collectors.toUnmodifiableSet());
  }

  private static String key(Finding f) {
    return f.signature() + "\n" + Finding.withoutNumbers(f.title());
  }

  /** {@return those that are none of these} */
  List<Finding> without(List<Finding> found) {
    return keys.isEmpty() ? found : found.stream().filter(f -> !keys.contains(key(f))).toList();
  }
}
