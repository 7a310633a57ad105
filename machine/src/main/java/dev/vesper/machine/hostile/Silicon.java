package dev.vesper.machine.hostile;

/** How a machine's own rules are broken. Lawful actions are not given it. */
public interface Silicon {
  /** {@return a register of a vCPU, by a name of {@link Watcher#REGISTERS}} */
  long register(int vcpu, String name);

  /**
   * Writes a general register or RIP of a vCPU, which stands still.
   *
   * @throws IllegalArgumentException for another register
   */
  void register(int vcpu, String name, long value);

  /**
   * {@return bytes of memory in plaintext}
   *
   * @param gpa guest physical; the range lies in guest memory
   */
  byte[] plaintext(long gpa, int length);

  /** Writes memory in plaintext, whoever owns it. */
  void plaintext(long gpa, byte[] bytes);

  /** Has processors ignore what is to flush their TLBs, or no longer. */
  void keepTranslations(boolean on);

  /** Has RDRAND give one number from now on. */
  void constantRandom(long number);

  /** Has the bus of the host reach a page by the address of another one, unchecked. */
  void alias(long page, long second);

  /**
   * Changes the address in an entry of the reverse map table.
   *
   * @return whether there is such a table, with an entry that is a guest's
   */
  boolean moveEntry(long page, long gpa);
}
