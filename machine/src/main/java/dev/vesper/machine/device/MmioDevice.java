package dev.vesper.machine.device;

/** A device behind physical addresses. */
public interface MmioDevice {
  /** Reads 1 to 8 bytes at an offset of its range, zero-extended. */
  long read(long offset, int bytes);

  /** Writes the low bytes of a number. */
  void write(long offset, int bytes, long value);
}
