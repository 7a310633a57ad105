package dev.vesper.machine.observe;

/** What a GHCB holds that something may come in between of. */
public enum GhcbUse {
  /** Nothing that matters any more. */
  NONE(""),
  /** A request is being written to it. */
  REQUEST("request"),
  /** An answer is still in it. */
  ANSWER("answer");

  private final String word;

  GhcbUse(String word) {
    this.word = word;
  }

  /** {@return the use in a word, empty for {@link #NONE}} */
  @Override
  public String toString() {
    return word;
  }
}
