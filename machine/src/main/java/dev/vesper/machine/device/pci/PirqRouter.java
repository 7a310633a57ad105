package dev.vesper.machine.device.pci;

import dev.vesper.machine.device.InterruptLines;

/**
 * Interrupt pins of PCI devices: those of several devices share one of four PIRQ lines, each of
 * which is wired to an input of the I/O APIC and, as registers of the ISA bridge say, to a line of
 * the 8259 pair (Intel 82371, PIRQRC; ICH9, PIRQ_ROUT).
 */
public final class PirqRouter {
  /** One device's pin. */
  @FunctionalInterface
  public interface Line {
    /** Raises the pin or lets it fall. */
    void set(boolean on);
  }

  private static final int DISABLED = 0x80;

  private final InterruptLines pic;
  private final InterruptLines apic;
  private final int firstInput;
  private final int[] active = new int[4];
  private final int[] routes = {DISABLED, DISABLED, DISABLED, DISABLED};

  /**
   * @param pic the 8259 pair
   * @param apic the I/O APIC
   * @param firstInput its input for the first line
   */
  public PirqRouter(InterruptLines pic, InterruptLines apic, int firstInput) {
    this.pic = pic;
    this.apic = apic;
    this.firstInput = firstInput;
  }

  /** {@return the PIRQ, 0 to 3, that pin A of a device is wired to} */
  public static int pirqOf(int device) {
    return device & 3;
  }

  /** {@return pin A of a device} */
  public Line pin(int device) {
    int bit = 1 << device;
    int pirq = pirqOf(device);
    return on -> {
      active[pirq] = on ? active[pirq] | bit : active[pirq] & ~bit;
      apic.line(firstInput + pirq, active[pirq] != 0);
      drive(routes[pirq]);
    };
  }

  /** {@return how a PIRQ is routed: a line of the 8259 pair, or bit 7 for none} */
  public int route(int pirq) {
    return routes[pirq];
  }

  /** Routes a PIRQ otherwise. */
  public void route(int pirq, int register) {
    int old = routes[pirq];
    routes[pirq] = register & 0x8F;
    drive(old);
    drive(routes[pirq]);
  }

  private void drive(int route) {
    if ((route & DISABLED) != 0 || (0xDEF8 >> route & 1) == 0) {
      return;
    }
    boolean on = false;
    for (int i = 0; i < 4; i++) {
      on |= routes[i] == route && active[i] != 0;
    }
    pic.line(route, on);
  }
}
