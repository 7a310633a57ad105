package dev.vesper.machine.device;

import dev.vesper.machine.spec.ConsoleInput;

/**
 * A 16550A UART. Transmission takes no time; received bytes wait in a queue of the host until the
 * FIFO has room.
 */
public final class Uart16550 extends SerialPort {
  /** Where transmitted bytes go. */
  @FunctionalInterface
  public interface Sink {
    /** Takes one byte. */
    void put(int b);
  }

  private static final int FIFO = 16;

  /** MCR: loopback. */
  private static final int LOOP = 0x10;

  /** MSR: DCD, DSR and CTS of the terminal that listens. */
  private static final int CONNECTED = 0xB0;

  /** MSR: the ring indicator, of which the trailing edge is remembered. */
  private static final int RING = 0x40;

  private final InterruptLines lines;
  private final int irq;
  private final int base;
  private final Sink sink;
  private int lcr;
  private int mcr;
  private int fcr;
  private int scratch;
  private int divisor = 1;
  private boolean transmitPending;
  private boolean overrun;

  /** The guest has read from LSR that the oldest of what is received is a break. */
  private boolean breakSeen;

  /** MSR bits 3:0: what has changed since the register was read. */
  private int changes;

  public Uart16550(int base, int irq, InterruptLines lines, Sink sink) {
    this.base = base;
    this.irq = irq;
    this.lines = lines;
    this.sink = sink;
  }

  private boolean room() {
    return received.size() < ((fcr & 1) != 0 ? FIFO : 1);
  }

  @Override
  public boolean canReceive() {
    // While it talks to itself nothing of the line is heard.
    return room() && (mcr & LOOP) == 0;
  }

  @Override
  public void receive(int b) {
    if ((mcr & LOOP) == 0) {
      accept(b);
    }
  }

  private void accept(int b) {
    boolean fits = room();
    overrun |= !fits;
    if (!fits && (fcr & 1) == 0) {
      // The 16450's mode: the older byte is destroyed. With a FIFO it is the newer one.
      received.clear();
      breakSeen = false;
      fits = true;
    }
    if (fits) {
      received.add(b == ConsoleInput.BREAK ? b : b & 0xFF);
    }
    update();
  }

  /** {@return whether LSR has a break, which comes with a zero, to tell of} */
  private boolean breakIsNext() {
    Integer next = received.peek();
    return next != null && next == ConsoleInput.BREAK && !breakSeen;
  }

  private int lineStatus() {
    int v = 0x60 | (received.isEmpty() ? 0 : 1) | (overrun ? 2 : 0) | (breakIsNext() ? 0x10 : 0);
    boolean errors = (fcr & 1) != 0 && received.contains(ConsoleInput.BREAK);
    return errors ? v | 0x80 : v;
  }

  private int identification() {
    if ((ier & 4) != 0 && (overrun || breakIsNext())) {
      return 6;
    }
    if ((ier & 1) != 0 && !received.isEmpty()) {
      boolean trigger = (fcr & 1) == 0 || received.size() >= new int[] {1, 4, 8, 14}[fcr >> 6];
      // Below the trigger level the character timeout applies, at once in this model.
      return trigger ? 4 : 12;
    }
    if ((ier & 2) != 0 && transmitPending) {
      return 2;
    }
    if ((ier & 8) != 0 && changes != 0) {
      return 0;
    }
    return 1;
  }

  /** {@return the modem's lines as MSR bits 7:4 have them: in loopback the control outputs} */
  private int modem() {
    if ((mcr & LOOP) == 0) {
      return CONNECTED;
    }
    return (mcr & 2) << 3 | (mcr & 1) << 5 | (mcr & 4) << 4 | (mcr & 8) << 4;
  }

  private void setModemControl(int v) {
    int before = modem();
    mcr = v & 0x1F;
    int changed = before ^ modem();
    changes |= (changed & ~RING | changed & before & RING) >> 4;
    update();
  }

  private void setFifoControl(int v) {
    boolean switched = ((v ^ fcr) & 1) != 0;
    // Without bit 0 the others are not programmed.
    fcr = (v & 1) != 0 ? v & 0xC9 : 0;
    if (switched || (v & 3) == 3) {
      discard();
      breakSeen = false;
    }
    update();
  }

  private void update() {
    lines.line(irq, identification() != 1 && (mcr & 8) != 0);
  }

  @Override
  public int read(int port, int bytes) {
    switch (port - base) {
      case 0 -> {
        if ((lcr & 0x80) != 0) {
          return divisor & 0xFF;
        }
        Integer b = take();
        breakSeen = false;
        update();
        return b == null ? 0 : b & 0xFF;
      }
      case 1 -> {
        return (lcr & 0x80) != 0 ? divisor >> 8 : ier;
      }
      case 2 -> {
        int id = identification();
        if (id == 2) {
          transmitPending = false;
          update();
        }
        return id | ((fcr & 1) != 0 ? 0xC0 : 0);
      }
      case 3 -> {
        return lcr;
      }
      case 4 -> {
        return mcr;
      }
      case 5 -> {
        int v = lineStatus();
        overrun = false;
        breakSeen |= breakIsNext();
        polled();
        update();
        return v;
      }
      case 6 -> {
        int v = modem() | changes;
        changes = 0;
        update();
        return v;
      }
      default -> {
        return scratch;
      }
    }
  }

  @Override
  public void write(int port, int bytes, int value) {
    int v = value & 0xFF;
    switch (port - base) {
      case 0 -> {
        if ((lcr & 0x80) != 0) {
          divisor = divisor & 0xFF00 | v;
        } else {
          if ((mcr & LOOP) != 0) {
            accept(v);
          } else {
            sink.put(v);
          }
          transmitPending = true;
          sent();
          if (ier != 0) {
            // A new edge for each byte; with no interrupt enabled the line is low and stays so.
            lines.line(irq, false);
            update();
          }
        }
      }
      case 1 -> {
        if ((lcr & 0x80) != 0) {
          divisor = divisor & 0xFF | v << 8;
        } else {
          boolean enabled = (v & 2) != 0 && (ier & 2) == 0;
          enable(v & 15);
          // Enabling the interrupt with an empty transmitter raises it at once.
          transmitPending |= enabled;
          update();
        }
      }
      case 2 -> setFifoControl(v);
      case 3 -> lcr = v;
      case 4 -> setModemControl(v);
      case 7 -> scratch = v;
      default -> {
        // LSR and MSR are read-only
      }
    }
  }
}
