package dev.vesper.machine.hostile;

/** Where something is: what hosts can name, and what only those can who see the guest's names. */
public sealed interface Place {
  /**
   * A place in guest physical memory.
   *
   * @param address guest physical
   */
  record Gpa(long address) implements Place {}

  /**
   * A place in the guest's own address space.
   *
   * @param address linear
   */
  record Linear(long address) implements Place {}

  /**
   * A place that the guest's symbols name, where the guest runs them.
   *
   * @param offset in bytes
   */
  record Symbol(String name, long offset) implements Place {}

  /** {@return a place in guest physical memory} */
  static Place gpa(long address) {
    return new Gpa(address);
  }

  /** {@return a place in the guest's address space} */
  static Place linear(long address) {
    return new Linear(address);
  }

  /** {@return a place that a symbol names} */
  static Place symbol(String name, long offset) {
    return new Symbol(name, offset);
  }

  /** {@return whether a host cannot name it without help} */
  default boolean aided() {
    return !(this instanceof Gpa);
  }
}
