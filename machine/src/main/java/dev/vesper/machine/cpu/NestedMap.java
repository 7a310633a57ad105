package dev.vesper.machine.cpu;

/** What nested paging says about guest physical pages. The host decides; the processor asks. */
public interface NestedMap {
  /** Backed by memory. */
  int RAM = 0;

  /** Present with a reserved bit set: how a host marks emulated MMIO. */
  int MMIO = 1;

  /** Present and read-only: writes fault. */
  int ROM = 3;

  /** Not present. */
  int ABSENT = 2;

  /** Memory that the host lets nobody fetch instructions from. */
  int NO_EXECUTE = 4;

  /** Memory that the host lets nobody write to: unlike a {@link #ROM} it is there. */
  int READ_ONLY = 5;

  /** Both. */
  int READ_ONLY_NO_EXECUTE = 6;

  /** {@return what of these a page is} */
  int type(long frame);

  /**
   * {@return whether a page is mapped as one of 2 MiB, or more, which must fit its entry in the
   * reverse map table}
   */
  default boolean large(long frame) {
    return false;
  }

  /**
   * {@return the number of the page in system memory that a page is mapped to} Guest memory lies at
   * its guest physical addresses, unless a host means harm.
   */
  default long backing(long frame) {
    return frame;
  }

  /** {@return whether a page can be read as memory} */
  default boolean readable(long frame) {
    return allowsReads(type(frame));
  }

  /** {@return whether pages of a type can be read as memory} */
  static boolean allowsReads(int type) {
    return type != MMIO && type != ABSENT;
  }

  /** {@return whether pages of a type can be written to as memory} */
  static boolean allowsWrites(int type) {
    return type == RAM || type == NO_EXECUTE;
  }

  /** {@return whether instructions can be fetched from pages of a type} */
  static boolean allowsFetches(int type) {
    return type == RAM || type == ROM || type == READ_ONLY;
  }
}
