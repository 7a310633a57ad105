package dev.vesper.machine.device;

import org.jspecify.annotations.Nullable;

/** The 64 Ki I/O ports. Ports that nobody claims read as ones and swallow writes. */
public final class PortBus {
  private final @Nullable PortDevice[] devices = new PortDevice[0x1_0000];

  /** Puts a device at a range of ports. */
  public void attach(PortDevice device, int first, int last) {
    for (int p = first; p <= last; p++) {
      devices[p] = device;
    }
  }

  /**
   * Puts a device at those ports of a range that nobody has yet: a guest that moves a device onto
   * another one does not hide that.
   */
  public void attachWhereFree(PortDevice device, int first, int last) {
    for (int p = first; p <= last; p++) {
      if (devices[p] == null) {
        devices[p] = device;
      }
    }
  }

  /** Takes a device away from the ports of a range that it has. */
  public void detach(PortDevice device, int first, int last) {
    for (int p = first; p <= last; p++) {
      if (devices[p] == device) {
        devices[p] = null;
      }
    }
  }

  /** Reads 1, 2 or 4 bytes, zero-extended to an int. */
  public int read(int port, int bytes) {
    PortDevice d = devices[port & 0xFFFF];
    int ones = bytes == 4 ? -1 : (1 << 8 * bytes) - 1;
    return d == null ? ones : d.read(port & 0xFFFF, bytes) & ones;
  }

  /** Writes 1, 2 or 4 bytes. */
  public void write(int port, int bytes, int value) {
    PortDevice d = devices[port & 0xFFFF];
    if (d != null) {
      int ones = bytes == 4 ? -1 : (1 << 8 * bytes) - 1;
      d.write(port & 0xFFFF, bytes, value & ones);
    }
  }
}
