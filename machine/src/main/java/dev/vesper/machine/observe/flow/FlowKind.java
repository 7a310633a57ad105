package dev.vesper.machine.observe.flow;

import java.util.Locale;

/** What a value has done that it should not. */
public enum FlowKind {
  /** Private bytes were stored where the host can read them. */
  LEAK(true, Weight.WARNING, "private bytes are stored where the host reads them"),
  /** A device was given private bytes. */
  DEVICE(true, Weight.WARNING, "a device reads private bytes"),
  /** A request exports a register, or bytes of one, that its event does not need. */
  EXPORT(true, Weight.ERROR, "a request exports what its event does not need"),
  /** The host chooses where memory is read or written. */
  ADDRESS(false, Weight.ERROR, "an unchecked value of the host's is an address"),
  /** The host chooses where execution goes on. */
  JUMP(false, Weight.ERROR, "an unchecked value of the host's is jumped to"),
  /** The host chooses how often a string instruction repeats. */
  COUNT(false, Weight.ERROR, "an unchecked value of the host's is a count"),
  /** A branch depends on a value that was never compared. */
  BRANCH(false, Weight.WARNING, "an unchecked value of the host's decides a branch"),
  /** A value that was never compared was kept in private memory. */
  STORE(false, Weight.NOTE, "an unchecked value of the host's is stored in private memory");

  /** How much it says by itself. */
  public enum Weight {
    /** To be looked at in any guest. */
    ERROR,
    /** To be looked at where the value matters. */
    WARNING,
    /** Usual: it tells where values of the host's live. */
    NOTE
  }

  private final boolean leak;
  private final Weight weight;
  private final String words;

  FlowKind(boolean leak, Weight weight, String words) {
    this.leak = leak;
    this.weight = weight;
    this.words = words;
  }

  /** {@return whether it is about what the host learns; otherwise about what it chooses} */
  public boolean isLeak() {
    return leak;
  }

  /** {@return how much it says by itself} */
  public Weight weight() {
    return weight;
  }

  /** {@return what it is, for people} */
  public String words() {
    return words;
  }

  /** {@return the name as reports have it} */
  public String id() {
    return name().toLowerCase(Locale.ROOT);
  }
}
