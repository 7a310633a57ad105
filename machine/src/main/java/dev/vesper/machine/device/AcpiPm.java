package dev.vesper.machine.device;

import java.util.function.LongSupplier;

/**
 * The fixed hardware of ACPI (ACPI 6.4, 4.8) as PIIX4 and ICH9 have it behind a movable block of
 * ports: PM1 status at 0, enable at 2, control at 4, the 24-bit timer of 3.579545 MHz at 8, and
 * general-purpose events at 20h. The machine is always in ACPI mode; there is no SMM.
 */
public final class AcpiPm implements PortDevice {
  /** Ports of the block. */
  public static final int LENGTH = 0x40;

  /** Offset of the PM1 control register. */
  public static final int CONTROL = 4;

  /** Offset of the timer. */
  public static final int TIMER = 8;

  /** Offset of the general-purpose events: status, then enable, 8 bytes each. */
  public static final int EVENTS = 0x20;

  /** What SLP_TYP is for soft off. */
  public static final int SOFT_OFF = 0;

  private static final long FREQUENCY = 3_579_545L;
  private static final int SLEEP_ENABLE = 1 << 13;
  private static final int SCI_ENABLE = 1;
  private static final int POWER_BUTTON = 1 << 8;

  private final PortBus ports;
  private final LongSupplier clock;
  private final Runnable powerOff;
  private final InterruptLines lines;
  private final int irq;
  private final byte[] eventEnable = new byte[8];
  private int base;
  private int status;
  private int enable;
  private int control = SCI_ENABLE;

  /**
   * @param ports where the block appears
   * @param clock virtual time in nanoseconds
   * @param powerOff called when the guest enters a sleeping state from which nothing wakes it
   * @param lines takes the SCI
   * @param irq its line
   */
  public AcpiPm(
      PortBus ports, LongSupplier clock, Runnable powerOff, InterruptLines lines, int irq) {
    this.ports = ports;
    this.clock = clock;
    this.powerOff = powerOff;
    this.lines = lines;
    this.irq = irq;
  }

  /** Moves the block. Below 500h are the ports of the platform itself: 0 and those are nowhere. */
  public void moveTo(int address) {
    if (base != 0) {
      ports.detach(this, base, base + LENGTH - 1);
    }
    base = address >= 0x500 && address <= 0x1_0000 - LENGTH ? address : 0;
    if (base != 0) {
      ports.attachWhereFree(this, base, base + LENGTH - 1);
    }
  }

  /** {@return first port of the block, or 0 if it is nowhere} */
  public int base() {
    return base;
  }

  /** Somebody presses the power button. */
  public void pressPowerButton() {
    status |= POWER_BUTTON;
    update();
  }

  private void update() {
    lines.line(irq, (status & enable) != 0);
  }

  /** {@return the timer at a time} */
  static int timer(long nanoseconds) {
    return (int) (nanoseconds / 1000 * FREQUENCY / 1_000_000 & 0xFF_FFFF);
  }

  private int register(int offset) {
    return switch (offset & ~1) {
      case 0 -> status;
      case 2 -> enable;
      case CONTROL -> control;
      case TIMER -> timer(clock.getAsLong()) & 0xFFFF;
      case TIMER + 2 -> timer(clock.getAsLong()) >> 16;
      default -> 0;
    };
  }

  @Override
  public int read(int port, int bytes) {
    int o = port - base;
    if (o >= EVENTS + 8 && o < EVENTS + 16) {
      return eventEnable[o - EVENTS - 8] & 0xFF;
    }
    if (o == TIMER && bytes == 4) {
      return timer(clock.getAsLong());
    }
    int v = register(o) | (bytes == 4 ? register(o + 2) << 16 : 0);
    return v >>> 8 * (o & 1);
  }

  @Override
  public void write(int port, int bytes, int value) {
    int o = port - base;
    if (o >= EVENTS + 8 && o < EVENTS + 16) {
      for (int i = 0; i < bytes && o + i < EVENTS + 16; i++) {
        eventEnable[o - EVENTS - 8 + i] = (byte) (value >> 8 * i);
      }
      return;
    }
    for (int i = 0; i < bytes; i++) {
      put(o + i, value >> 8 * i & 0xFF);
    }
    update();
    if ((control & SLEEP_ENABLE) != 0) {
      control &= ~SLEEP_ENABLE;
      if ((control >> 10 & 7) == SOFT_OFF) {
        powerOff.run();
      }
    }
  }

  private void put(int offset, int v) {
    switch (offset) {
      case 0 -> status &= ~v;
      case 1 -> status &= ~(v << 8);
      case 2 -> enable = enable & 0xFF00 | v;
      case 3 -> enable = enable & 0xFF | v << 8;
      case CONTROL -> control = control & 0xFF00 | v | SCI_ENABLE;
      case CONTROL + 1 -> control = control & 0xFF | v << 8;
      default -> {
        // the timer is read-only; no general-purpose event ever happens
      }
    }
  }
}
