package dev.vesper.machine.observe;

/** What a guest under SEV-SNP can leave out when it accepts a page (AMD APM volume 2, 15.36.6). */
public enum Omitted {
  /** EAX of PVALIDATE or RMPADJUST is lost before anything has looked at it. */
  RESULT("result"),
  /** CF of PVALIDATE is lost before anything has looked at it. */
  CARRY("carry"),
  /** A page is used of which PVALIDATE has said by CF that it was valid already. */
  UNCHANGED("unchanged"),
  /** A page is used since it was validated, without reads of its first and last byte before. */
  EVICTION("eviction");

  private final String word;

  Omitted(String word) {
    this.word = word;
  }

  /** {@return what is left out, in a word} */
  @Override
  public String toString() {
    return word;
  }
}
