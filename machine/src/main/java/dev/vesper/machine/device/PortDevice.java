package dev.vesper.machine.device;

/** A device behind I/O ports. It is accessed in pieces that its registers take. */
public interface PortDevice {
  /**
   * {@return the widest piece that the register at a port takes: 1, 2 or 4 bytes} The bus splits
   * what is wider.
   */
  default int width(int port) {
    return 1;
  }

  /** Reads a port; {@code bytes} is 1, 2 or 4, the result is zero-extended. */
  int read(int port, int bytes);

  /** Writes a port. */
  void write(int port, int bytes, int value);
}
