package dev.vesper.cli;

import dev.vesper.machine.observe.flow.FlowOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.StringTokenizer;

/** What words of {@code --oracle} say about values that are followed. */
final class FlowWords {
  static final String OPTION = "--oracle";
  static final String LEAK = "leak";
  static final String TAINT = "taint";
  private static final String SECRET = "secret=";

  private boolean leaks;
  private boolean taint;
  private final List<FlowOptions.Secret> secrets = new ArrayList<>();

  /** {@return the words of a list, with commas between them} */
  static List<String> split(String text) {
    List<String> all = new ArrayList<>();
    StringTokenizer t = new StringTokenizer(text, ",");
    while (t.hasMoreTokens()) {
      all.add(t.nextToken());
    }
    return all;
  }

  /**
   * {@return whether a word is one of these, which is taken then}
   *
   * @throws UserError if it names no secret
   */
  boolean takes(String word) {
    if (word.equals(LEAK)) {
      leaks = true;
    } else if (word.equals(TAINT)) {
      taint = true;
    } else if (word.startsWith(SECRET)) {
      String text = word.substring(SECRET.length());
      try {
        secrets.add(FlowOptions.Secret.of(text));
      } catch (IllegalArgumentException e) {
        throw new UserError(OPTION + " " + word + ": " + e.getMessage());
      }
    } else {
      return false;
    }
    return true;
  }

  /** {@return whether any was taken} */
  boolean any() {
    return leaks || taint || !secrets.isEmpty();
  }

  /**
   * {@return what they say}
   *
   * @throws UserError if that makes no sense
   */
  FlowOptions options() {
    if (!secrets.isEmpty() && !leaks) {
      throw new UserError(OPTION + ": secret= says what must not leak; add leak");
    }
    if (!leaks && !taint) {
      throw new UserError(OPTION + " takes leak, taint or both");
    }
    return new FlowOptions(leaks, taint, secrets);
  }
}
