package dev.vesper.machine.memory;

/**
 * Where accesses go that memory does not answer while a host emulates one instruction of a guest
 * whose state is not encrypted: unbacked physical addresses and ports.
 */
public interface ExternalBus {
  /** Reads 1, 2, 4 or 8 bytes at a physical address, zero-extended. */
  long readMemory(long address, int bytes);

  /** Writes 1, 2, 4 or 8 bytes at a physical address. */
  void writeMemory(long address, int bytes, long value);

  /** Reads 1, 2 or 4 bytes from a port, zero-extended. */
  int readPort(int port, int bytes);

  /** Writes 1, 2 or 4 bytes to a port. */
  void writePort(int port, int bytes, int value);
}
