package dev.vesper.machine.memory;

/** Watches who touches memory in which domain. Changes nothing. */
public interface MemoryObserver {
  /**
   * A page goes from one encryption domain to another because a processor touches it. The first
   * touch of a page is none.
   */
  void converted(int frame, int from, int to);

  /**
   * The host reads a page that was touched last as private, and is given ciphertext.
   *
   * @param device a device does
   */
  void hostReads(int frame, boolean device);

  /**
   * The host writes to a page that was touched last as private.
   *
   * @param offset first byte in the page
   * @param device a device does
   */
  void hostWrites(int frame, int offset, int length, boolean device);

  /** The host reads memory that it shares with the guest. */
  default void hostReadShared(int frame, int offset, int length, boolean device) {}

  /** The host is about to write to memory that it shares with the guest. */
  default void hostWroteShared(int frame, int offset, int length, boolean device) {}

  /**
   * The host is refused to write to a page that is not its own by the reverse map table: #PF with
   * bit 31 of the error code. Nothing is written.
   *
   * @param offset first byte in the page
   * @param device a device does
   */
  void hostRefused(int frame, int offset, int length, boolean device);

  /**
   * The host has changed an entry of the reverse map table.
   *
   * @param instruction by which, or by what else
   * @param address of the page in system memory
   * @param before the entry as it was
   * @param after the entry as it is
   */
  default void entryChanged(String instruction, long address, RmpEntry before, RmpEntry after) {}
}
