package dev.vesper.machine.sev;

/** Devices as a host presents them while it emulates an instruction of a plain guest. */
public interface GuestBus {
  /** Reads 1, 2, 4 or 8 bytes of MMIO, zero-extended. */
  long readMemory(long address, int bytes);

  /** Writes 1, 2, 4 or 8 bytes of MMIO. */
  void writeMemory(long address, int bytes, long value);

  /** Reads 1, 2 or 4 bytes from a port, zero-extended. */
  int readPort(int port, int bytes);

  /** Writes 1, 2 or 4 bytes to a port. */
  void writePort(int port, int bytes, int value);
}
