package dev.vesper.machine.device;

/** A device behind I/O ports. */
public interface PortDevice {
  /** Reads a port; {@code bytes} is 1, 2 or 4, the result is zero-extended. */
  int read(int port, int bytes);

  /** Writes a port. */
  void write(int port, int bytes, int value);
}
