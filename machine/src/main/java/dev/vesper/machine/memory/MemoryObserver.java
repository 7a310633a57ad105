package dev.vesper.machine.memory;

/** Watches who touches memory in which domain. Changes nothing. */
public interface MemoryObserver {
  /**
   * A page goes from one encryption domain to another because somebody touches it. The first touch
   * of a page is none.
   *
   * @param byHost the host or a device does, not a processor
   * @param device a device does
   */
  void converted(int frame, int from, int to, boolean byHost, boolean device);

  /**
   * The host reads a private page and is given ciphertext.
   *
   * @param device a device does
   */
  void hostReads(int frame, boolean device);
}
