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
   * The host has what it wanted, and nothing that the guest could do would keep it: what protects
   * the guest does not reach so far.
   *
   * @param why what the host has reached, and what closes it
   */
  record Limit(String why, List<String> proof) implements Verdict {
    @Override
    public String word() {
      return "limit";
    }
  }

  /**
   * The guest does not go on, and nothing of it is lost or told. A host may always stop a guest.
   *
   * @param why what it does not do
   */
  record Denied(String why, List<String> proof) implements Verdict {
    @Override
    public String word() {
      return "denial of service";
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

  /**
   * {@return that the host has what no guest could keep}
   *
   * @param closed what closes it: the next level, a processor or firmware, or nothing
   */
  static Verdict limit(String why, String closed, String... proof) {
    return new Limit(why + "; " + closed, List.of(proof));
  }

  /** {@return that the guest does not go on} */
  static Verdict denied(String why, String... proof) {
    return new Denied(why, List.of(proof));
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
