package dev.vesper.machine.device.pci;

import dev.vesper.machine.device.InterruptMessages;
import dev.vesper.machine.device.MmioBus;
import dev.vesper.machine.device.MmioDevice;
import dev.vesper.machine.device.PortBus;
import dev.vesper.machine.device.PortDevice;
import dev.vesper.machine.observe.DeviceState;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntUnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * PCI bus 0 behind configuration mechanism 1 (CF8h, CFCh) and, where a board maps it, behind ECAM.
 * Where nobody is, configuration reads give ones.
 */
public final class PciBus implements PortDevice {
  private static final int ENABLE = 1 << 31;
  private static final int INTERRUPT_LINE = 0x3C;

  private final PortBus ports;
  private final MmioBus mmio;
  private final InterruptMessages messages;
  private final @Nullable PciConfig[] functions = new PciConfig[256];
  private int address;

  /**
   * @param ports where ports of functions appear
   * @param mmio where their memory does
   * @param messages takes their interrupt messages
   */
  public PciBus(PortBus ports, MmioBus mmio, InterruptMessages messages) {
    this.ports = ports;
    this.mmio = mmio;
    this.messages = messages;
  }

  /** Adds a function without an interrupt pin. */
  public void add(int device, int function, PciConfig f) {
    functions[device << 3 | function] = f;
  }

  /** Adds a device of one function whose interrupt pin is wired to a line. */
  public void add(int device, PciDevice d, PirqRouter.Line line) {
    add(device, 0, d, line);
  }

  /** Adds a function whose interrupt pin is wired to a line. */
  public void add(int device, int function, PciDevice d, PirqRouter.Line line) {
    functions[device << 3 | function] = d;
    d.plug(ports, mmio, messages, line);
  }

  /**
   * Puts the ports of a device somewhere and lets it answer, as a host does that has no firmware.
   *
   * @param io where register 0 maps
   * @param line its interrupt, for the guest to read
   */
  public void place(int device, int io, int line) {
    if (functions[device << 3] instanceof PciDevice d) {
      d.assign(0, io);
      d.writeConfig(4, 2, 1);
      d.writeConfig(INTERRUPT_LINE, 1, line);
    }
  }

  /** {@return the lowest device from 3 on that nobody is at, or -1} */
  public int freeDevice() {
    for (int i = 3; i < 31; i++) {
      if (functions[i << 3] == null) {
        return i;
      }
    }
    return -1;
  }

  /**
   * Does what firmware does before it hands over: gives every base address register that has no
   * address yet one, and lets functions answer and master the bus.
   *
   * @param io first port of the window
   * @param memory first address of the window
   * @param line interrupt line of a device for the 8259 pair
   */
  public void assign(int io, long memory, IntUnaryOperator line) {
    int port = io;
    long at = memory;
    for (int f = 0; f < functions.length; f++) {
      if (!(functions[f] instanceof PciDevice d)) {
        continue;
      }
      boolean any = false;
      for (int r = 0; r < 6; r++) {
        long size = d.barSize(r);
        if (size == 0) {
          continue;
        }
        any = true;
        if (d.barIsIo(r)) {
          port = port + (int) size - 1 & (int) -size;
          d.assign(r, port);
          port += (int) size;
        } else {
          long whole = Math.max(size, 4096);
          at = at + whole - 1 & -whole;
          d.assign(r, at);
          at += whole;
        }
      }
      if (any) {
        d.writeConfig(4, 2, 7);
      }
      if (d.readConfig(INTERRUPT_LINE + 1, 1) != 0) {
        d.writeConfig(INTERRUPT_LINE, 1, line.applyAsInt(f >> 3));
      }
    }
  }

  /** {@return all functions in the order of their addresses; nothing changes by that} */
  public List<DeviceState.PciFunction> look() {
    List<DeviceState.PciFunction> all = new ArrayList<>();
    for (int f = 0; f < functions.length; f++) {
      PciConfig c = functions[f];
      if (c == null) {
        continue;
      }
      byte[] config = new byte[256];
      for (int i = 0; i < config.length; i++) {
        config[i] = (byte) c.lookConfig(i, 1);
      }
      List<DeviceState.Bar> bars = c instanceof PciDevice d ? d.bars() : List.of();
      all.add(new DeviceState.PciFunction(f >> 3, f & 7, config, bars));
    }
    return all;
  }

  private @Nullable PciConfig selected() {
    boolean bus0 = (address >> 16 & 0xFF) == 0;
    return (address & ENABLE) != 0 && bus0 ? functions[address >> 8 & 0xFF] : null;
  }

  @Override
  public int width(int port) {
    return Integer.lowestOneBit(port & 3 | 4);
  }

  @Override
  public int read(int port, int bytes) {
    if (port < 0xCFC) {
      return port == 0xCF8 && bytes == 4 ? address : -1;
    }
    PciConfig f = selected();
    return f == null ? -1 : f.readConfig((address & 0xFC) + (port & 3), bytes);
  }

  @Override
  public void write(int port, int bytes, int value) {
    if (port < 0xCFC) {
      if (port == 0xCF8 && bytes == 4) {
        address = value & 0x80FF_FFFC;
      }
      return;
    }
    PciConfig f = selected();
    if (f != null) {
      f.writeConfig((address & 0xFC) + (port & 3), bytes, value);
    }
  }

  /**
   * {@return configuration space as ECAM shows it (PCI Express Base 7.2.2): bus in bits 27:20,
   * device 19:15, function 14:12, register 11:0} Nothing is behind register 256.
   */
  public MmioDevice ecam() {
    return new MmioDevice() {
      private @Nullable PciConfig at(long offset) {
        return offset < 1 << 20 ? functions[(int) (offset >> 12) & 0xFF] : null;
      }

      @Override
      public int width(long offset) {
        return 4;
      }

      @Override
      public long read(long offset, int bytes) {
        PciConfig f = at(offset);
        int register = (int) offset & 0xFFF;
        if (f == null) {
          return -1L;
        }
        return register > 0xFF ? 0 : f.readConfig(register, bytes) & 0xFFFF_FFFFL;
      }

      @Override
      public void write(long offset, int bytes, long value) {
        PciConfig f = at(offset);
        int register = (int) offset & 0xFFF;
        if (f != null && register <= 0xFF) {
          f.writeConfig(register, bytes, (int) value);
        }
      }
    };
  }
}
