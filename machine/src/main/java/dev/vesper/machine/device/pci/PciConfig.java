package dev.vesper.machine.device.pci;

/** The configuration space of a PCI function. */
public interface PciConfig {
  /** Reads 1, 2 or 4 bytes that do not cross a word. */
  int readConfig(int at, int bytes);

  /** Reads the same without anything that a read of software's does. */
  default int lookConfig(int at, int bytes) {
    return readConfig(at, bytes);
  }

  /** Writes 1, 2 or 4 bytes. */
  void writeConfig(int at, int bytes, int value);
}
