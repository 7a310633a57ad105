package dev.vesper.machine.device;

/** Watches accesses to a bus that nobody answers. Changes nothing. */
public interface Unanswered {
  /**
   * An access of which nothing comes.
   *
   * @param address of its first byte on that bus
   * @param bytes how many, 1 to 8
   */
  void access(long address, int bytes, boolean write);
}
