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

  /**
   * {@return {@link #RAM}, {@link #MMIO}, {@link #ROM} or {@link #ABSENT}}
   *
   * @param frame guest physical page number
   */
  int type(long frame);

  /**
   * {@return whether a page is mapped as one of 2 MiB, or more, which must fit its entry in the
   * reverse map table}
   */
  default boolean large(long frame) {
    return false;
  }

  /** {@return whether a page can be read as memory} */
  default boolean readable(long frame) {
    int t = type(frame);
    return t == RAM || t == ROM;
  }
}
