package dev.vesper.machine.observe;

/** How the guest has touched a page that the reverse map table kept from it. */
public enum RmpAccess {
  READ("read"),
  WRITE("write"),
  FETCH("fetch"),
  /** The processor has read a page table. */
  WALK("walk"),
  /** The processor has set A or D in a page table. */
  WALK_WRITE("walk, write"),
  /** PVALIDATE, RMPADJUST or RMPQUERY has named the page. */
  OPERAND("operand");

  private final String word;

  RmpAccess(String word) {
    this.word = word;
  }

  /** {@return the access in a word} */
  @Override
  public String toString() {
    return word;
  }
}
