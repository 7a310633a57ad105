package dev.vesper.machine.device;

/** A PCI function with one I/O BAR and an interrupt line. */
public interface PciFunction {
  /** {@return configuration word 0: device ID in the upper half, vendor ID in the lower} */
  int id();

  /** {@return subsystem ID and subsystem vendor ID} */
  int subsystem();

  /** {@return configuration word 8: class, subclass, interface, revision} */
  int classCode();

  /** {@return bytes of the BAR, a power of two} */
  int barSize();

  /** {@return the line of the 8259 pair that it drives} */
  int irq();

  /** Reads a register of the BAR. */
  int read(int offset, int bytes);

  /** Writes a register of the BAR. */
  void write(int offset, int bytes, int value);
}
