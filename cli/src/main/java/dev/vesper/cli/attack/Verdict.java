package dev.vesper.cli.attack;

import java.util.List;

/** What an attack has come to against one guest. */
public sealed interface Verdict {
  /** {@return the verdict in a word, as reports have it} */
  String word();

  /** {@return why, in a line that has no addresses, so that it outlives a change of the guest} */
  String why();

  /** {@return what was seen, a line each, with addresses and numbers} */
  List<String> proof();

  /**
   * The guest has done what the host wanted.
   *
   * @param why what the host has reached
   */
  record Vulnerable(String why, List<String> proof) implements Verdict {
    @Override
    public String word() {
      return "vulnerable";
    }
  }

  /**
   * The guest has not done it, or has ended.
   *
   * @param why by what
   */
  record Defended(String why, List<String> proof) implements Verdict {
    @Override
    public String word() {
      return "defended";
    }
  }

  /**
   * The attack cannot be carried out against this guest, so that nothing is known of it.
   *
   * @param why what is missing
   */
  record NotApplicable(String why) implements Verdict {
    @Override
    public String word() {
      return "not applicable";
    }

    @Override
    public List<String> proof() {
      return List.of();
    }
  }

  /** {@return that the guest has done what the host wanted} */
  static Verdict vulnerable(String why, String... proof) {
    return new Vulnerable(why, List.of(proof));
  }

  /** {@return that the guest has not} */
  static Verdict defended(String why, String... proof) {
    return new Defended(why, List.of(proof));
  }

  /** {@return that nobody knows} */
  static Verdict notApplicable(String why) {
    return new NotApplicable(why);
  }
}
