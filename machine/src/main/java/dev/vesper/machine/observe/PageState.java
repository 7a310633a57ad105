package dev.vesper.machine.observe;

/** How a page is shared with the host. */
public enum PageState {
  /** Nobody can say, or nobody needed it. */
  UNKNOWN(""),
  /** In plaintext, for guest and host. */
  SHARED("shared"),
  /** Under the guest's key: the host sees ciphertext. */
  PRIVATE("private"),
  /** The page tables lead elsewhere. */
  UNMAPPED("unmapped"),
  /** The guest has no such page. */
  OUTSIDE("outside");

  private final String word;

  PageState(String word) {
    this.word = word;
  }

  /** {@return the state in a word, empty for {@link #UNKNOWN}} */
  @Override
  public String toString() {
    return word;
  }
}
