package dev.vesper.machine.device;

import java.util.function.LongSupplier;

/**
 * The power management function of an Intel PIIX4: the PCI side in {@link #config}, and behind PMBA
 * the ACPI event and control registers and the 24-bit timer of 3.579545 MHz.
 */
public final class Piix4Pm implements PciConfig {
  private static final int ID = 0x7113_8086;
  private static final int CLASS = 0x0680_0003;
  private static final int PMBA = 0x40;
  private static final int PMREGMISC = 0x80;
  private static final int LENGTH = 0x40;
  private static final long FREQUENCY = 3_579_545L;
  private static final int SLEEP_ENABLE = 1 << 13;

  private final ConfigSpace config = new ConfigSpace();
  private final PortBus ports;
  private final LongSupplier clock;
  private final Runnable powerOff;
  private int base;
  private int enable;
  private int control;

  /**
   * @param ports where the registers appear
   * @param clock virtual time in nanoseconds
   * @param powerOff called when the guest enters a sleeping state from which nothing wakes it
   */
  public Piix4Pm(PortBus ports, LongSupplier clock, Runnable powerOff) {
    this.ports = ports;
    this.clock = clock;
    this.powerOff = powerOff;
    config.put(0, 4, ID);
    config.put(6, 2, 0x280);
    config.put(8, 4, CLASS);
    config.put(0x3D, 1, 1);
    config.put(PMBA, 4, 1);
  }

  @Override
  public int read(int at, int bytes) {
    return config.get(at, bytes);
  }

  @Override
  public void write(int at, int bytes, int v) {
    if (at == 4) {
      config.put(4, 1, v & 7);
    } else if (at >= PMBA && at < PMBA + 4 || at == 0x3C || at >= 0x50) {
      config.put(at, bytes, v);
      config.put(PMBA, 4, read(PMBA, 4) & 0xFFC0 | 1);
      place();
    }
  }

  private void place() {
    if (base != 0) {
      ports.detach(base, base + LENGTH - 1);
      base = 0;
    }
    int wanted = read(PMBA, 4) & 0xFFC0;
    // Below 500h are the ports of the platform itself.
    if ((read(PMREGMISC, 1) & 1) != 0 && wanted >= 0x500) {
      base = wanted;
      ports.attach(new Registers(), base, base + LENGTH - 1);
    }
  }

  /** {@return the timer at a time} */
  static int timer(long nanoseconds) {
    return (int) (nanoseconds / 1000 * FREQUENCY / 1_000_000 & 0xFF_FFFF);
  }

  /** The registers behind PMBA. */
  private final class Registers implements PortDevice {
    @Override
    public int read(int port, int bytes) {
      return switch (port - base) {
        case 2 -> enable;
        case 4 -> control;
        case 8 -> timer(clock.getAsLong());
        default -> 0;
      };
    }

    @Override
    public void write(int port, int bytes, int value) {
      switch (port - base) {
        case 2 -> enable = value & 0xFFFF;
        case 4 -> {
          control = value & 0xFFFF & ~SLEEP_ENABLE;
          // Type 0 is soft off, as QEMU's tables have it.
          if ((value & SLEEP_ENABLE) != 0 && (value >> 10 & 7) == 0) {
            powerOff.run();
          }
        }
        default -> {
          // status bits are never set; the rest is not there
        }
      }
    }
  }
}
