package dev.vesper.machine.device;

import java.util.ArrayDeque;

/**
 * A 16550A UART. Transmission takes no time; received bytes wait in a queue of the host until the
 * FIFO has room.
 */
public final class Uart16550 implements PortDevice {
  /** Where transmitted bytes go. */
  @FunctionalInterface
  public interface Sink {
    /** Takes one byte. */
    void put(int b);
  }

  private static final int FIFO = 16;
  private final InterruptLines lines;
  private final int irq;
  private final int base;
  private final Sink sink;
  private final ArrayDeque<Integer> received = new ArrayDeque<>();
  private int ier;
  private int lcr;
  private int mcr;
  private int fcr;
  private int scratch;
  private int divisor = 1;
  private boolean transmitPending;
  private boolean overrun;

  /** Looks at an empty receiver since the last byte. */
  private int polls;

  public Uart16550(int base, int irq, InterruptLines lines, Sink sink) {
    this.base = base;
    this.irq = irq;
    this.lines = lines;
    this.sink = sink;
  }

  /** {@return whether the receiver can take another byte} */
  public boolean canReceive() {
    return received.size() < ((fcr & 1) != 0 ? FIFO : 1);
  }

  /**
   * {@return whether the guest listens: it enabled the receive interrupt, or it polls for data}
   *
   * @param idle the guest is halted
   */
  public boolean wantsInput(boolean idle) {
    return (ier & 1) != 0 || polls > (idle ? 0 : 64);
  }

  /** Receives a byte. */
  public void receive(int b) {
    if ((mcr & 0x10) != 0) {
      return;
    }
    accept(b);
  }

  private void accept(int b) {
    if (canReceive()) {
      received.add(b & 0xFF);
    } else {
      overrun = true;
    }
    update();
  }

  private int identification() {
    if ((ier & 4) != 0 && overrun) {
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
    return 1;
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
        Integer b = received.poll();
        update();
        return b == null ? 0 : b;
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
        int v = 0x60 | (received.isEmpty() ? 0 : 1) | (overrun ? 2 : 0);
        overrun = false;
        polls = received.isEmpty() ? polls + 1 : 0;
        update();
        return v;
      }
      case 6 -> {
        if ((mcr & 0x10) != 0) {
          return (mcr & 2) << 3 | (mcr & 1) << 5 | (mcr & 4) << 4 | (mcr & 8) << 4;
        }
        return 0xB0;
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
          if ((mcr & 0x10) != 0) {
            accept(v);
          } else {
            sink.put(v);
          }
          transmitPending = true;
          polls = 0;
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
          ier = v & 15;
          // Enabling the interrupt with an empty transmitter raises it at once.
          transmitPending |= enabled;
          update();
        }
      }
      case 2 -> {
        if ((v & 2) != 0) {
          received.clear();
        }
        fcr = v & 0xC9;
        update();
      }
      case 3 -> lcr = v;
      case 4 -> {
        mcr = v & 0x1F;
        update();
      }
      case 7 -> scratch = v;
      default -> {
        // LSR and MSR are read-only
      }
    }
  }
}
