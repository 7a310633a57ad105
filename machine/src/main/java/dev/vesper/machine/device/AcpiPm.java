package dev.vesper.machine.device;

import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The fixed hardware of ACPI (ACPI 6.4, 4.8) as PIIX4 and ICH9 have it behind a movable block of
 * ports: PM1 status at 0, enable at 2, control at 4, the 24-bit timer of 3.579545 MHz at 8, and
 * general-purpose events at 20h. The machine is always in ACPI mode; there is no SMM.
 */
public final class AcpiPm implements PortDevice, Timed {
  /** Ports of the block. */
  public static final int LENGTH = 0x40;

  /** Offset of the PM1 control register. */
  public static final int CONTROL = 4;

  /** Offset of the timer. */
  public static final int TIMER = 8;

  /** Offset of the general-purpose events: status, then enable, 8 bytes each. */
  public static final int EVENTS = 0x20;

  /** Offset of SMI_EN, 4 bytes that ICH9 has (ICH9 data sheet, 13.8.3.9). */
  public static final int SMI_ENABLE = 0x30;

  /** What SLP_TYP is for soft off. */
  public static final int SOFT_OFF = 0;

  /** What it is for suspend to RAM. */
  public static final int SUSPEND = 1;

  /** What it is for suspend to disk, after which the machine is off. */
  public static final int HIBERNATE = 2;

  private static final long FREQUENCY = 3_579_545L;
  private static final int SLEEP_ENABLE = 1 << 13;
  private static final int SCI_ENABLE = 1;

  // Bits of status and enable.
  private static final int TIMER_CARRY = 1;
  private static final int POWER_BUTTON = 1 << 8;
  private static final int RTC_ALARM = 1 << 10;
  private static final int WAKE = 1 << 15;

  /** APMC_EN: a write to the APM port makes an SMI. */
  private static final int APM_MAKES_SMI = 1 << 5;

  /** The carry is a change of the timer's highest bit. */
  private static final int CARRY_SHIFT = 23;

  private final PortBus ports;
  private final LongSupplier clock;
  private final Runnable powerOff;
  private final InterruptLines lines;
  private final int irq;
  private final byte[] eventEnable = new byte[8];
  private final byte[] smiEnable = new byte[4];
  private int base;
  private int status;
  private int enable;
  private int control = SCI_ENABLE;
  private @Nullable Runnable sleep;
  private boolean smiControl;

  /** Carries of the timer that status knows of. */
  private long carries;

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

  /**
   * Has SMI_EN, which says that SMM is set up, as QEMU's does where there is none: firmware that
   * had to do it would wait for an SMI.
   */
  public void addSmiControl() {
    smiControl = true;
    smiEnable[0] = APM_MAKES_SMI;
  }

  /** {@return first port of the block, or 0 if it is nowhere} */
  public int base() {
    return base;
  }

  /**
   * Lets software suspend; without, it can only power off.
   *
   * @param suspend called when it suspends to RAM
   */
  public void sleepsBy(Runnable suspend) {
    sleep = suspend;
  }

  /** {@return whether something has happened that wakes the machine} */
  public boolean wakes() {
    settle();
    return (status & enable & (TIMER_CARRY | POWER_BUTTON | RTC_ALARM)) != 0;
  }

  /** The machine has woken: takes over what woke it from before the reset. */
  public void wokenBy(AcpiPm before) {
    carries = before.carries;
    status = before.status | WAKE;
  }

  /** The alarm of the real-time clock interrupts. */
  public void alarm() {
    status |= RTC_ALARM;
    update();
  }

  private void settle() {
    long n = ticks(clock.getAsLong()) >> CARRY_SHIFT;
    if (n != carries) {
      carries = n;
      status |= TIMER_CARRY;
    }
  }

  @Override
  public long nextEvent() {
    if ((enable & TIMER_CARRY) == 0 || (status & TIMER_CARRY) != 0) {
      return NEVER;
    }
    long carry = carries + 1 << CARRY_SHIFT;
    // Whole microseconds, as the timer counts.
    return (carry * 1_000_000 / FREQUENCY + 1) * 1000;
  }

  @Override
  public void advance(long now) {
    if (now >= nextEvent()) {
      settle();
      update();
    }
  }

  /** Somebody presses the power button. */
  public void pressPowerButton() {
    status |= POWER_BUTTON;
    update();
  }

  private void update() {
    lines.line(irq, (status & enable) != 0);
  }

  private static long ticks(long nanoseconds) {
    return nanoseconds / 1000 * FREQUENCY / 1_000_000;
  }

  /** {@return the timer at a time} */
  static int timer(long nanoseconds) {
    return (int) (ticks(nanoseconds) & 0xFF_FFFF);
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

  private boolean isSmiEnable(int offset) {
    return smiControl && offset >= SMI_ENABLE && offset < SMI_ENABLE + smiEnable.length;
  }

  @Override
  public int read(int port, int bytes) {
    settle();
    int o = port - base;
    if (o >= EVENTS + 8 && o < EVENTS + 16) {
      return eventEnable[o - EVENTS - 8] & 0xFF;
    }
    return isSmiEnable(o) ? smiEnable[o - SMI_ENABLE] & 0xFF : register(o) >>> 8 * (o & 1) & 0xFF;
  }

  @Override
  public void write(int port, int bytes, int value) {
    settle();
    put(port - base, value & 0xFF);
    update();
    if ((control & SLEEP_ENABLE) == 0) {
      return;
    }
    control &= ~SLEEP_ENABLE;
    Runnable suspend = sleep;
    int type = control >> 10 & 7;
    if (type == SOFT_OFF || type == HIBERNATE && suspend != null) {
      powerOff.run();
    } else if (type == SUSPEND && suspend != null) {
      suspend.run();
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
        if (offset >= EVENTS + 8 && offset < EVENTS + 16) {
          eventEnable[offset - EVENTS - 8] = (byte) v;
        } else if (isSmiEnable(offset)) {
          smiEnable[offset - SMI_ENABLE] = (byte) v;
        }
      }
    }
  }
}
