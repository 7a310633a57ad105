package dev.vesper.machine.device.pci;

import dev.vesper.machine.device.InterruptMessages;
import dev.vesper.machine.device.MmioBus;
import dev.vesper.machine.device.MmioDevice;
import dev.vesper.machine.device.PortBus;
import dev.vesper.machine.device.PortDevice;
import dev.vesper.machine.observe.DeviceState;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A PCI function with a header of type 0 (PCI Local Bus 3.0, chapter 6): identity, base address
 * registers that it answers behind, capabilities, and an interrupt pin or messages.
 */
public abstract class PciDevice implements PciConfig {
  private static final int COMMAND = 4;
  private static final int IO_SPACE = 1;
  private static final int MEMORY_SPACE = 2;
  private static final int INTX_DISABLE = 1 << 10;
  private static final int STATUS = 6;
  private static final int CAPABILITIES = 0x34;
  private static final int FIRST_CAPABILITY = 0x40;
  private static final int BAR0 = 0x10;

  /** How a base address register maps. */
  private enum Kind {
    IO,
    MEMORY,
    /** Takes two registers, prefetchable. */
    WIDE
  }

  private final class Bar {
    final int register;
    final Kind kind;
    final long size;
    final MmioDevice device;
    final PortDevice ports;
    long mapped = -1;

    Bar(int register, Kind kind, long size, MmioDevice device) {
      this.register = register;
      this.kind = kind;
      this.size = size;
      this.device = device;
      ports =
          new PortDevice() {
            @Override
            public int width(int port) {
              return Math.min(Integer.lowestOneBit(port & 3 | 4), device.width(port - mapped));
            }

            @Override
            public int read(int port, int bytes) {
              return (int) device.read(port - (int) mapped, bytes);
            }

            @Override
            public void write(int port, int bytes, int value) {
              device.write(port - (int) mapped, bytes, value & -1L >>> 64 - 8 * bytes);
            }
          };
    }

    int at() {
      return BAR0 + 4 * register;
    }

    long address() {
      long low = config.get(at(), 4) & 0xFFFF_FFFFL & (kind == Kind.IO ? ~3L : ~15L);
      return kind == Kind.WIDE ? (long) config.get(at() + 4, 4) << 32 | low : low;
    }

    /** Appears where the registers say, or disappears. */
    void place() {
      int command = config.get(COMMAND, 2);
      boolean on = (command & (kind == Kind.IO ? IO_SPACE : MEMORY_SPACE)) != 0;
      long address = address();
      long limit = kind == Kind.IO ? 0x1_0000L : 1L << 52;
      // All ones is how software asks for the size.
      long ones = kind == Kind.WIDE ? -1L : kind == Kind.IO ? 0xFFFF : 0xFFFF_FFFFL;
      boolean sizing = (address | size - 1) == ones;
      boolean sane = address > 0 && address <= limit - size && !sizing;
      long wanted = on && sane ? address : -1;
      if (wanted == mapped) {
        return;
      }
      Attachment a = attachment;
      if (a == null) {
        return;
      }
      if (mapped >= 0) {
        if (kind == Kind.IO) {
          a.ports.detach(ports, (int) mapped, (int) (mapped + size - 1));
        } else {
          a.mmio.detach(device, mapped);
        }
      }
      mapped = wanted;
      if (mapped >= 0) {
        if (kind == Kind.IO) {
          a.ports.attachWhereFree(ports, (int) mapped, (int) (mapped + size - 1));
        } else {
          a.mmio.attach(device, mapped, size);
        }
      }
      moved(register, mapped);
    }
  }

  /** What a device is plugged into. */
  private record Attachment(
      PortBus ports, MmioBus mmio, InterruptMessages messages, PirqRouter.Line pin) {}

  private final ConfigSpace config = new ConfigSpace();
  private final @Nullable Bar[] bars = new Bar[6];
  private @Nullable Attachment attachment;
  private int lastCapability;
  private int nextCapability = FIRST_CAPABILITY;
  private @Nullable MsiX msiX;

  /** Offset of the MSI capability: control at 2, address at 4 and 8, data at 12; 0 for none. */
  private int msi;

  private boolean asserted;

  /**
   * @param id device ID in the upper half, vendor ID in the lower
   * @param classCode configuration word 8: class, subclass, interface, revision
   * @param subsystem subsystem ID and subsystem vendor ID
   * @param pin whether it has interrupt pin A
   */
  protected PciDevice(int id, int classCode, int subsystem, boolean pin) {
    config.put(0, 4, id);
    config.put(8, 4, classCode);
    config.put(0x2C, 4, subsystem);
    config.put(0x3D, 1, pin ? 1 : 0);
    config.allow(COMMAND, 2, 0x0507);
    config.allowAll(0x0C, 1);
    config.allowAll(0x3C, 1);
  }

  /** Adds a base address register for I/O ports; {@code size} is a power of two, 4 to 256. */
  protected final void ioBar(int register, int size, MmioDevice device) {
    bar(new Bar(register, Kind.IO, size, device), 1);
  }

  /** Adds one for memory below 4 GiB; {@code size} is a power of two of 16 at least. */
  protected final void memoryBar(int register, long size, MmioDevice device) {
    bar(new Bar(register, Kind.MEMORY, size, device), 0);
  }

  /** Adds one of 64 bits, prefetchable, which takes the next register as well. */
  protected final void wideBar(int register, long size, MmioDevice device) {
    bar(new Bar(register, Kind.WIDE, size, device), 0xC);
    config.allow(BAR0 + 4 * register + 4, 4, (int) (-size >>> 32));
  }

  private void bar(Bar b, int flags) {
    bars[b.register] = b;
    config.put(b.at(), 4, flags);
    // A PC has 64 Ki ports: the upper half of such a register is fixed.
    config.allow(b.at(), 4, (int) -b.size & (b.kind == Kind.IO ? 0xFFFF : -1));
  }

  /**
   * Adds a capability behind the ones there are.
   *
   * @param body what follows ID and link
   * @return offset of the capability
   */
  protected final int capability(int id, byte... body) {
    int at = nextCapability;
    config.put(at, 1, id);
    for (int i = 0; i < body.length; i++) {
      config.put(at + 2 + i, 1, body[i]);
    }
    config.put(lastCapability == 0 ? CAPABILITIES : lastCapability + 1, 1, at);
    config.put(STATUS, 2, config.get(STATUS, 2) | 0x10);
    lastCapability = at;
    nextCapability = at + 2 + body.length + 3 & ~3;
    return at;
  }

  /** Sets bytes of the configuration space to what they are after reset. */
  protected final void configure(int at, int bytes, int value) {
    config.put(at, bytes, value);
  }

  /** Lets software change bits of the configuration space. */
  protected final void allow(int at, int bytes, int mask) {
    config.allow(at, bytes, mask);
  }

  /** {@return bytes of the configuration space} */
  protected final int configured(int at, int bytes) {
    return config.get(at, bytes);
  }

  /**
   * Adds MSI-X with its table and pending bits behind a memory register of 4 KiB.
   *
   * @param vectors 1 to 64
   */
  protected final void msiX(int register, int vectors) {
    MsiX m = new MsiX(vectors);
    memoryBar(register, 4096, m);
    int control = vectors - 1;
    m.place(
        capability(
            0x11,
            (byte) control,
            (byte) (control >> 8),
            (byte) register,
            (byte) 0,
            (byte) 0,
            (byte) 0,
            (byte) register,
            (byte) (MsiX.PENDING >> 8),
            (byte) 0,
            (byte) 0));
    config.allow(m.at() + 2, 2, MsiX.ENABLE | MsiX.FUNCTION_MASK);
    msiX = m;
  }

  /** Adds MSI with one message of 64 bits (PCI Local Bus 3.0, 6.8.1). */
  protected final void msi() {
    byte[] body = new byte[12];
    body[0] = (byte) 0x80;
    msi = capability(5, body);
    config.allow(msi + 2, 2, 1);
    config.allow(msi + 4, 4, 0xFFFF_FFFC);
    config.allow(msi + 8, 4, -1);
    config.allow(msi + 12, 2, 0xFFFF);
  }

  final void plug(PortBus ports, MmioBus mmio, InterruptMessages messages, PirqRouter.Line pin) {
    attachment = new Attachment(ports, mmio, messages, pin);
    MsiX m = msiX;
    if (m != null) {
      m.connect(messages);
    }
  }

  /** Puts a base address register somewhere, as firmware does. */
  final void assign(int register, long address) {
    Bar b = bars[register];
    if (b == null) {
      throw new IllegalArgumentException("no base address register " + register);
    }
    int at = b.at();
    writeConfig(at, 4, (int) address);
    if (b.kind == Kind.WIDE) {
      writeConfig(at + 4, 4, (int) (address >>> 32));
    }
  }

  /** {@return bytes that a base address register maps, or 0} */
  final long barSize(int register) {
    Bar b = bars[register];
    return b == null ? 0 : b.size;
  }

  /** {@return whether a base address register is for ports} */
  final boolean barIsIo(int register) {
    Bar b = bars[register];
    return b != null && b.kind == Kind.IO;
  }

  /** A base address register maps its range at another address, or no more if that is -1. */
  protected void moved(int register, long address) {}

  /** Software has changed bytes of the configuration space that are the device's own. */
  protected void configurationWritten(int at, int bytes) {}

  // ---- interrupts

  /** {@return whether software has chosen MSI-X} */
  protected final boolean msiXEnabled() {
    MsiX m = msiX;
    return m != null && (config.get(m.at() + 2, 2) & MsiX.ENABLE) != 0;
  }

  /** Sends the message of an MSI-X vector; nothing happens without MSI-X. */
  protected final void message(int vector) {
    MsiX m = msiX;
    if (m != null && msiXEnabled()) {
      m.fire(vector);
    }
  }

  /** Drives the interrupt: pin A, or the message of MSI at each rise. */
  protected final void interrupt(boolean on) {
    boolean rises = on && !asserted;
    asserted = on;
    config.put(STATUS, 2, config.get(STATUS, 2) & ~8 | (on ? 8 : 0));
    Attachment a = attachment;
    if (a == null) {
      return;
    }
    boolean byMessage = msi != 0 && (config.get(msi + 2, 2) & 1) != 0;
    if (byMessage && rises) {
      long address = (long) config.get(msi + 8, 4) << 32 | config.get(msi + 4, 4) & 0xFFFF_FFFFL;
      a.messages.send(address, config.get(msi + 12, 2));
    }
    // Who uses messages is prohibited from using the pin.
    boolean byPin = !byMessage && !msiXEnabled() && (config.get(COMMAND, 2) & INTX_DISABLE) == 0;
    a.pin.set(on && byPin);
  }

  // ---- configuration

  @Override
  public int readConfig(int at, int bytes) {
    return config.get(at, bytes);
  }

  @Override
  public final int lookConfig(int at, int bytes) {
    return config.get(at, bytes);
  }

  /** {@return what its base address registers map} */
  final List<DeviceState.Bar> bars() {
    List<DeviceState.Bar> all = new ArrayList<>();
    for (Bar b : bars) {
      if (b != null) {
        all.add(
            new DeviceState.Bar(
                b.register, b.kind == Kind.IO, b.kind == Kind.WIDE, b.mapped, b.size));
      }
    }
    return all;
  }

  @Override
  public final void writeConfig(int at, int bytes, int value) {
    config.write(at, bytes, value);
    if (at < COMMAND + 2 && at + bytes > COMMAND || at >= BAR0 && at < BAR0 + 24) {
      for (Bar b : bars) {
        if (b != null) {
          b.place();
        }
      }
    }
    MsiX m = msiX;
    if (m != null && at + bytes > m.at() + 2 && at < m.at() + 4) {
      m.control(config.get(m.at() + 2, 2));
    }
    interrupt(asserted);
    configurationWritten(at, bytes);
  }
}
