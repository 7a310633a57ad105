package dev.vesper.machine.device;

/** PCI configuration mechanism 1 with no device behind it: every function is absent. */
public final class EmptyPci implements PortDevice {
  private int address;

  @Override
  public int read(int port, int bytes) {
    return port == 0xCF8 && bytes == 4 ? address : -1;
  }

  @Override
  public void write(int port, int bytes, int value) {
    if (port == 0xCF8 && bytes == 4) {
      address = value & 0x80FF_FFFC;
    }
  }
}
