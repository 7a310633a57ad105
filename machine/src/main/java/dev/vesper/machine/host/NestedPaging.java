package dev.vesper.machine.host;

/**
 * The host's nested page tables, page by page of 4 KiB. A change holds from the next VMRUN of any
 * vCPU on: the host flushes what processors have cached of it.
 */
public interface NestedPaging {
  /** What an entry lets guests do. */
  enum Mapping {
    /** What the profile has for the page: guest memory is there for all accesses. */
    PRESENT,
    /** Fetches of instructions exit with #NPF. */
    NO_EXECUTE,
    /** Writes exit. */
    READ_ONLY,
    /** Both do. */
    READ_ONLY_NO_EXECUTE,
    /** All accesses exit. */
    ABSENT,
    /** A reserved bit is set, as hosts mark emulated MMIO: all accesses raise #VC under SEV-ES. */
    MMIO
  }

  /**
   * Sets what guests may do with a page.
   *
   * @param gpa guest physical address in it
   */
  void set(long gpa, Mapping mapping);

  /** {@return what was set for a page, {@link Mapping#PRESENT} if nothing was} */
  Mapping get(long gpa);

  /**
   * Maps a page to another page of system memory. Guest memory lies at its guest physical addresses
   * until a host says otherwise.
   *
   * @param gpa guest physical address in it
   * @param to system physical address in the page that guests shall reach
   * @throws IndexOutOfBoundsException if there is no guest memory at one of the two
   */
  void map(long gpa, long to);

  /** {@return the system physical address that a guest physical one is mapped to} */
  long backing(long gpa);

  /**
   * Has fetches from all pages but one exit with #NPF, whatever else is set for them: so a host
   * learns when code of the page is left. There may be several such pages; instructions can be
   * fetched from these alone then.
   *
   * @param gpa guest physical address in the page
   * @param on false takes that back
   */
  void confine(long gpa, boolean on);
}
