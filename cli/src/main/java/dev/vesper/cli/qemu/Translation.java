package dev.vesper.cli.qemu;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a line of QEMU's comes to.
 *
 * @param words options and values of {@code vesper run}
 * @param dropped what was left out because it changes nothing here, each with the reason in
 *     brackets: {@code -name a (a run has no name)}
 * @param refusals what cannot be had, each a sentence that says what can; if there is any, the
 *     words are those of the rest
 * @param list an answer to {@code -machine help} and its like, which run nothing; null if nobody
 *     asked
 */
public record Translation(
    List<String> words, List<String> dropped, List<String> refusals, @Nullable String list) {
  /** What is said of what was left out begins so. */
  private static final String DROPPED = "left out, because it changes nothing here: ";

  /** A translation of these parts. */
  public Translation {
    words = List.copyOf(words);
    dropped = List.copyOf(dropped);
    refusals = List.copyOf(refusals);
  }

  /** {@return a line on all that was left out; empty if nothing was} */
  public String notice() {
    return dropped.isEmpty() ? "" : DROPPED + String.join("; ", dropped);
  }
}
