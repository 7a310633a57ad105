package dev.vesper.machine.device;

/**
 * A device behind physical addresses. It is accessed in naturally aligned pieces that its registers
 * take.
 */
public interface MmioDevice {
  /**
   * {@return the widest piece that the register at an offset takes: 1, 2, 4 or 8 bytes} The bus
   * splits what is wider.
   */
  default int width(long offset) {
    return 8;
  }

  /** Reads 1, 2, 4 or 8 bytes at an offset of its range, zero-extended. */
  long read(long offset, int bytes);

  /** Writes the low bytes of a number. */
  void write(long offset, int bytes, long value);
}
