package dev.vesper.machine.device;

import dev.vesper.machine.observe.DeviceState;

/** The pair of 8259A interrupt controllers at 20h and A0h, the second on line 2 of the first. */
public final class Pic8259 implements PortDevice, InterruptLines {
  /** The line of the first on which the second is, as a bit. */
  private static final int CASCADE = 4;

  private static final class Chip {
    int irr;
    int isr;
    int imr;
    int lines;
    int base;
    int icw;
    boolean single;
    boolean needIcw4;
    boolean readIsr;
    boolean autoEoi;

    /** Lines that are no bar to themselves: the cascade in the special fully nested mode. */
    int nested;

    boolean special;
    boolean poll;
    boolean rotateOnAeoi;
    int lowest = 7;
    int elcr;
    boolean initialised;

    /** {@return the highest-priority line of a set, or -1} */
    int highest(int set) {
      for (int i = 0; i < 8; i++) {
        int line = lowest + 1 + i & 7;
        if ((set >> line & 1) != 0) {
          return line;
        }
      }
      return -1;
    }

    /** {@return the line to serve, or -1} */
    int pending() {
      int request = highest(irr & ~imr);
      if (request < 0) {
        return -1;
      }
      int serving = highest((special ? isr & ~imr : isr) & ~nested);
      int rank = request - lowest - 1 & 7;
      return serving < 0 || rank < (serving - lowest - 1 & 7) ? request : -1;
    }

    void set(int line, boolean on) {
      int bit = 1 << line;
      if (on) {
        if ((lines & bit) == 0 || (elcr & bit) != 0) {
          irr |= bit;
        }
        lines |= bit;
      } else {
        lines &= ~bit;
        // A request that goes away before it is acknowledged is lost; the edge must come again.
        irr &= ~bit;
      }
    }

    void acknowledge(int line) {
      if ((elcr >> line & 1) == 0) {
        irr &= ~(1 << line);
      }
      if (autoEoi) {
        if (rotateOnAeoi) {
          lowest = line;
        }
      } else {
        isr |= 1 << line;
      }
    }
  }

  private final Chip master = new Chip();
  private final Chip slave = new Chip();

  /** Drives an interrupt line, 0..15. */
  @Override
  public void line(int irq, boolean on) {
    if (irq < 8) {
      master.set(irq, on);
    } else {
      slave.set(irq - 8, on);
    }
    cascade();
  }

  private void cascade() {
    boolean on = slave.pending() >= 0;
    if (on) {
      master.lines |= CASCADE;
      master.irr |= CASCADE;
    } else {
      master.lines &= ~CASCADE;
      master.irr &= ~CASCADE;
    }
  }

  /**
   * {@return what a chip holds; nothing changes by that}
   *
   * @param second the one at A0h, else the one at 20h
   */
  public DeviceState.Pic look(boolean second) {
    Chip c = second ? slave : master;
    return new DeviceState.Pic(
        c.irr, c.imr, c.isr, c.lowest + 1 & 7, c.base, c.readIsr, c.elcr, c.nested != 0);
  }

  /** {@return whether the INTR output is up} */
  public boolean requesting() {
    return master.initialised && master.pending() >= 0;
  }

  /** Acknowledges the interrupt; {@return its vector}. A vanished request gives line 7. */
  public int acknowledge() {
    int line = master.pending();
    if (line < 0) {
      return master.base + 7;
    }
    master.acknowledge(line);
    if (line != 2) {
      return master.base + line;
    }
    int second = slave.pending();
    int vector;
    if (second < 0) {
      vector = slave.base + 7;
    } else {
      slave.acknowledge(second);
      vector = slave.base + second;
    }
    cascade();
    return vector;
  }

  @Override
  public int read(int port, int bytes) {
    if (port == 0x4D0 || port == 0x4D1) {
      return (port == 0x4D0 ? master : slave).elcr;
    }
    Chip c = port < 0x80 ? master : slave;
    if (c.poll) {
      c.poll = false;
      int line = c.pending();
      if (line < 0) {
        return 0;
      }
      c.acknowledge(line);
      cascade();
      return 0x80 | line;
    }
    return (port & 1) != 0 ? c.imr : c.readIsr ? c.isr : c.irr;
  }

  @Override
  public void write(int port, int bytes, int value) {
    if (port == 0x4D0 || port == 0x4D1) {
      (port == 0x4D0 ? master : slave).elcr = value & (port == 0x4D0 ? 0xF8 : 0xDE);
      return;
    }
    Chip c = port < 0x80 ? master : slave;
    if ((port & 1) != 0) {
      data(c, value);
    } else {
      command(c, value);
    }
    cascade();
  }

  private void data(Chip c, int v) {
    switch (c.icw) {
      case 2 -> {
        c.base = v & 0xF8;
        c.icw = !c.single ? 3 : c.needIcw4 ? 4 : 0;
      }
      case 3 -> c.icw = c.needIcw4 ? 4 : 0;
      case 4 -> {
        c.autoEoi = (v & 2) != 0;
        c.nested = (v & 0x10) != 0 && c == master ? CASCADE : 0;
        c.icw = 0;
      }
      default -> c.imr = v;
    }
    c.initialised |= c.icw == 0;
  }

  private static void command(Chip c, int v) {
    if ((v & 0x10) != 0) {
      c.icw = 2;
      c.initialised = false;
      c.single = (v & 2) != 0;
      c.needIcw4 = (v & 1) != 0;
      c.imr = 0;
      c.isr = 0;
      c.irr = c.lines & c.elcr;
      c.lowest = 7;
      c.readIsr = false;
      c.special = false;
      c.autoEoi = false;
      c.nested = 0;
      return;
    }
    if ((v & 8) != 0) {
      if ((v & 2) != 0) {
        c.readIsr = (v & 1) != 0;
      }
      c.poll = (v & 4) != 0;
      if ((v & 0x40) != 0) {
        c.special = (v & 0x20) != 0;
      }
      return;
    }
    switch (v >> 5) {
      case 0 -> c.rotateOnAeoi = false;
      case 4 -> c.rotateOnAeoi = true;
      case 1, 5 -> {
        int line = c.highest(c.special ? c.isr & ~c.imr : c.isr);
        if (line >= 0) {
          c.isr &= ~(1 << line);
          if (v >> 5 == 5) {
            c.lowest = line;
          }
        }
      }
      case 3, 7 -> {
        c.isr &= ~(1 << (v & 7));
        if (v >> 5 == 7) {
          c.lowest = v & 7;
        }
      }
      case 6 -> c.lowest = v & 7;
      default -> {
        // no operation
      }
    }
    // A level that is still up requests again.
    c.irr |= c.lines & c.elcr;
  }
}
