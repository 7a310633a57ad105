package dev.vesper.machine.device;

import org.jspecify.annotations.Nullable;

/**
 * PCI bus 0 behind configuration mechanism 1 (CF8h, CFCh). Functions have one I/O BAR at most;
 * where nobody is, configuration reads give ones.
 */
public final class PciBus implements PortDevice {
  private static final int ENABLE = 1 << 31;

  /** A function on the bus. */
  private static final class Slot {
    final ConfigSpace config = new ConfigSpace();
    final @Nullable PciFunction function;
    int base;

    Slot(@Nullable PciFunction function) {
      this.function = function;
    }
  }

  private final PortBus ports;
  private final @Nullable Slot[] slots = new Slot[32];
  private final @Nullable PciConfig[] others = new PciConfig[256];
  private int address;

  /**
   * @param ports where the BARs of functions appear
   */
  public PciBus(PortBus ports) {
    this.ports = ports;
  }

  /** Puts a host bridge at device 0; {@code id} is device and vendor as configuration word 0. */
  public void addHostBridge(int id) {
    Slot s = new Slot(null);
    s.config.put(0, 4, id);
    s.config.put(8, 4, 0x0600_0000);
    slots[0] = s;
  }

  /**
   * Adds a function whose BAR the host has placed already.
   *
   * @param base of the I/O BAR
   */
  public void add(int device, PciFunction f, int base) {
    Slot s = new Slot(f);
    s.config.put(0, 4, f.id());
    s.config.put(4, 2, 1);
    s.config.put(8, 4, f.classCode());
    s.config.put(0x2C, 4, f.subsystem());
    s.config.put(0x3C, 1, f.irq());
    s.config.put(0x3D, 1, 1);
    slots[device] = s;
    place(s, base);
  }

  private void place(Slot s, int base) {
    PciFunction f = s.function;
    if (f == null) {
      return;
    }
    int size = f.barSize();
    if (s.base != 0) {
      ports.detach(s.base, s.base + size - 1);
    }
    s.base = base & -size & 0xFFFF;
    s.config.put(0x10, 4, s.base | 1);
    int start = s.base;
    boolean io = (s.config.get(4, 2) & 1) != 0;
    // Below 1000h are the ports of the platform itself.
    if (io && start >= 0x1000 && start + size <= 0x1_0000) {
      ports.attach(
          new PortDevice() {
            @Override
            public int read(int port, int bytes) {
              return f.read(port - start, bytes);
            }

            @Override
            public void write(int port, int bytes, int value) {
              f.write(port - start, bytes, value);
            }
          },
          start,
          start + size - 1);
    }
  }

  /** Adds a function that keeps its configuration space itself; it takes precedence. */
  public void add(int device, int function, PciConfig f) {
    others[device << 3 | function] = f;
  }

  private @Nullable PciConfig other() {
    boolean bus0 = (address >> 16 & 0xFF) == 0;
    return (address & ENABLE) != 0 && bus0 ? others[address >> 8 & 0xFF] : null;
  }

  private @Nullable Slot selected() {
    boolean bus0 = (address >> 16 & 0xFF) == 0;
    return (address & ENABLE) != 0 && bus0 && (address >> 8 & 7) == 0
        ? slots[address >> 11 & 31]
        : null;
  }

  @Override
  public int read(int port, int bytes) {
    if (port < 0xCFC) {
      return port == 0xCF8 && bytes == 4 ? address : -1;
    }
    PciConfig o = other();
    int at = (address & 0xFC) + (port & 3);
    if (o != null) {
      return (port & 3) + bytes > 4 ? -1 : o.read(at, bytes);
    }
    Slot s = selected();
    return s == null || (port & 3) + bytes > 4 ? -1 : s.config.get(at, bytes);
  }

  @Override
  public void write(int port, int bytes, int value) {
    if (port < 0xCFC) {
      if (port == 0xCF8 && bytes == 4) {
        address = value & 0x80FF_FFFC;
      }
      return;
    }
    PciConfig o = other();
    int at = (address & 0xFC) + (port & 3);
    if (o != null) {
      if ((port & 3) + bytes <= 4) {
        o.write(at, bytes, value);
      }
      return;
    }
    Slot s = selected();
    if (s == null || (port & 3) + bytes > 4) {
      return;
    }
    if (at == 4) {
      s.config.put(4, 1, value & 7);
      place(s, s.base);
    } else if (at == 0x10 && bytes == 4 && s.function != null) {
      if (value == -1) {
        // Sizing: the writable bits read back.
        s.config.put(0x10, 4, -s.function.barSize() & 0xFFFF | 1);
      } else {
        place(s, value);
      }
    } else if (at == 0x3C) {
      s.config.put(0x3C, 1, value);
    }
  }
}
