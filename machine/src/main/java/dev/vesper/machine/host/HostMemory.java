package dev.vesper.machine.host;

/**
 * Guest memory as the host has it on the bus: ciphertext where the guest has touched a page as
 * private. A write to such a page garbles the blocks of sixteen bytes that it touches.
 */
public interface HostMemory {
  /** {@return where guest memory lies} */
  GuestRam ram();

  /** {@return bytes of guest memory} */
  default long guestBytes() {
    return ram().bytes();
  }

  /** {@return whether a range lies in guest memory} */
  default boolean contains(long address, long length) {
    return ram().contains(address, length);
  }

  /**
   * Reads bytes.
   *
   * @param address guest physical
   * @throws IndexOutOfBoundsException for an address outside memory
   */
  void read(long address, byte[] to, int offset, int length);

  /**
   * Writes bytes.
   *
   * @param address guest physical
   * @throws IndexOutOfBoundsException for an address outside memory
   */
  void write(long address, byte[] from, int offset, int length);

  /**
   * {@return a little-endian number, zero-extended}
   *
   * @param bytes 1, 2, 4 or 8
   * @throws IndexOutOfBoundsException for an address outside memory
   */
  long read(long address, int bytes);

  /**
   * Writes the low bytes of a number, little-endian.
   *
   * @param bytes 1, 2, 4 or 8
   * @throws IndexOutOfBoundsException for an address outside memory
   */
  void write(long address, int bytes, long value);

  /**
   * {@return bytes}
   *
   * @param address guest physical
   * @throws IndexOutOfBoundsException for an address outside memory
   */
  default byte[] bytes(long address, int length) {
    byte[] b = new byte[length];
    read(address, b, 0, length);
    return b;
  }
}
