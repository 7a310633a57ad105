package dev.vesper.machine.hostile;

import java.util.List;
import java.util.Map;

/**
 * What became of a script.
 *
 * @param firings the first of them, in order, {@link #MOST} at most
 * @param counts how often each rule has fired, the first rule's first
 * @param neverFired labels of the rules that had to fire and did not
 * @param unmet expectations that do not hold, in words
 * @param notes numbers that were noted, each as it was last
 * @param broken rules that may break the machine's own have fired: a guest that has come to harm
 *     need not have a fault
 * @param aided rules have fired whose trigger no host sees by itself
 */
public record ScriptReport(
    List<Firing> firings,
    List<Long> counts,
    List<String> neverFired,
    List<String> unmet,
    Map<String, Long> notes,
    boolean broken,
    boolean aided) {
  /** The most firings that are kept. */
  public static final int MOST = 10_000;

  /** {@return whether all that had to fire has, and all that is expected holds} */
  public boolean fulfilled() {
    return neverFired.isEmpty() && unmet.isEmpty();
  }

  /** {@return what kind of host it was, for people} */
  public String host() {
    return broken ? "broken silicon" : "lawful host";
  }
}
