package dev.vesper.machine.device;

/**
 * How a chipset hands an access to registers that are narrower than it, or that it straddles: in
 * pieces of 1, 2, 4 or 8 bytes, lowest address first, none wider than the register at its address.
 */
final class AccessSplit {
  private AccessSplit() {}

  /**
   * {@return bytes of the next piece}
   *
   * @param left bytes of the access that are left, 1 to 8
   * @param width of the register at its address, a power of two
   */
  static int piece(int left, int width) {
    return Math.min(Integer.highestOneBit(left), width);
  }

  /** {@return the widest piece, 1 to 8 bytes, that is naturally aligned at an address} */
  static int alignment(long address) {
    return (int) Long.lowestOneBit(address | 8);
  }
}
