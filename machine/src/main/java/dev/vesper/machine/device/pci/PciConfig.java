package dev.vesper.machine.device.pci;

/** The configuration space of a PCI function. */
public interface PciConfig {
  /** Reads 1, 2 or 4 bytes that do not cross a word. */
  int read(int at, int bytes);

  /** Writes 1, 2 or 4 bytes. */
  void write(int at, int bytes, int value);
}
