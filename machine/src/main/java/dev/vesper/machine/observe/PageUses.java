package dev.vesper.machine.observe;

/**
 * Is told of pages that a guest uses as what they are not, and of what it executes: where a program
 * that looks for lost C-bits and stray control learns of them. {@code Machine.pageUses} has it
 * told, from where translations are filled, so that guest code is as fast as before. It is called
 * while an instruction is in execution, may look at the vCPU in turn, and changes nothing. What it
 * is told first of a page is the same with every translator.
 */
public interface PageUses {
  /** How a page is used. */
  enum Use {
    READ,
    WRITE,
    /** An instruction is fetched, which is always a private access. */
    FETCH,
    /** The processor reads or writes page tables there, which are always private accesses. */
    WALK
  }

  /**
   * A page is about to be used with the C-bit where it was used without it last, or without where
   * it was used with it. The first use of a page is none of these. Of a guest under SEV-SNP the
   * reverse map table may refuse the access then.
   *
   * @param linear address of the access; of a walk, the one that is looked up
   * @param gpa guest physical address
   * @param toPrivate the access is one with the C-bit
   */
  void turns(Use use, long linear, long gpa, boolean toPrivate);

  /**
   * The kernel executes code of a page that its processor has no translation for at hand.
   *
   * @param linear address of the instruction
   * @param gpa guest physical address
   * @param encrypted page tables map it with the C-bit, which fetches do not ask
   */
  void fetches(long linear, long gpa, boolean encrypted);

  /**
   * A page that was used is the guest's no more: the host has made it its own in the reverse map
   * table, because the guest has asked for that or has touched the page without the C-bit. What was
   * in it is gone.
   *
   * @param gpa of the page
   */
  void given(long gpa);

  /** {@return whether the next use of a page is to be told of by {@link #turns}, whatever it is} */
  boolean awaits(long gpa);

  /**
   * The host, or a device of its, writes to a page that was used as a private one last: what is in
   * it from then on is the host's doing.
   *
   * @param gpa of the page
   */
  void garbled(long gpa);
}
