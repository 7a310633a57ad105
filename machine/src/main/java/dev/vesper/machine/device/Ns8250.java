package dev.vesper.machine.device;

import dev.vesper.machine.spec.ConsoleInput;
import java.util.function.LongSupplier;

/**
 * The serial port of vmd(8): an 8250 without FIFO, scratch register or loopback, whose interrupt is
 * raised anew by each access to the data register while one is pending. After each burst of what
 * the baud rate sends in 10 ms, the transmitter is busy for as long.
 */
public final class Ns8250 extends SerialPort implements Timed {
  private static final int NO_PENDING = 1;
  private static final int TRANSMIT = 2;
  private static final int RECEIVE = 4;
  private static final int IER_TRANSMIT = 2;
  private static final int DIVISOR_LATCH = 0x80;
  private static final int FASTEST = 115_200;
  private static final long PAUSE = 10_000_000L;

  private final InterruptLines lines;
  private final int irq;
  private final int base;
  private final Uart16550.Sink sink;
  private final LongSupplier clock;
  private int lcr;
  private int mcr;
  private int scratch;
  private int divisor = 1;

  /** Interrupt identification; zero at first, as vmd has it. */
  private int iir;

  private int last;
  private int burst = burst(1);
  private int sent;
  private long due = NEVER;

  /**
   * @param clock virtual time in nanoseconds
   */
  public Ns8250(int base, int irq, InterruptLines lines, Uart16550.Sink sink, LongSupplier clock) {
    this.base = base;
    this.irq = irq;
    this.lines = lines;
    this.sink = sink;
    this.clock = clock;
  }

  private static int burst(int divisor) {
    return FASTEST / divisor / 8 / 1000 * 10;
  }

  @Override
  public boolean canReceive() {
    return received.isEmpty();
  }

  @Override
  public void receive(int b) {
    if (b == ConsoleInput.BREAK) {
      // vmd(8) knows none.
      return;
    }
    received.add(b & 0xFF);
    if ((ier & IER_RECEIVE) != 0) {
      pend(RECEIVE);
      raise();
    }
  }

  private void pend(int cause) {
    iir = (iir | cause) & ~NO_PENDING;
  }

  private void settle(int done) {
    iir &= ~done;
    if (iir == 0) {
      iir = NO_PENDING;
      lines.line(irq, false);
    }
  }

  /** An edge, if anything is pending. */
  private void raise() {
    if ((iir & NO_PENDING) == 0) {
      lines.line(irq, false);
      lines.line(irq, true);
    }
  }

  private boolean latch() {
    return (lcr & DIVISOR_LATCH) != 0;
  }

  @Override
  public int read(int port, int bytes) {
    return switch (port - base) {
      case 0 -> {
        if (latch()) {
          yield divisor & 0xFF;
        }
        Integer b = take();
        last = b == null ? last : b;
        int v = last;
        last = 0;
        settle(RECEIVE);
        raise();
        yield v;
      }
      case 1 -> latch() ? divisor >> 8 : ier;
      case 2 -> {
        int v = iir;
        settle(TRANSMIT);
        yield v;
      }
      case 3 -> lcr;
      case 4 -> mcr;
      case 5 -> {
        int v = 0x60 | ready();
        polled();
        yield v;
      }
      // DCD, DSR and CTS, and the receiver's bit of the line status.
      case 6 -> 0xB0 | ready();
      default -> scratch;
    };
  }

  private int ready() {
    return received.isEmpty() ? 0 : 1;
  }

  @Override
  public void write(int port, int bytes, int value) {
    int v = value & 0xFF;
    switch (port - base) {
      case 0 -> {
        if (latch()) {
          divisor = divisor & 0xFF00 | v;
        } else {
          transmit(v);
        }
      }
      case 1 -> {
        if (latch()) {
          divisor = divisor & 0xFF | v << 8;
          return;
        }
        boolean listens = (ier & IER_RECEIVE) == 0 && (v & IER_RECEIVE) != 0;
        ier = v;
        if ((v & IER_TRANSMIT) != 0) {
          iir |= TRANSMIT;
        }
        if (listens && !received.isEmpty()) {
          pend(RECEIVE);
          raise();
        }
      }
      case 3 -> {
        if (latch() && (v & DIVISOR_LATCH) == 0 && divisor != 0) {
          burst = burst(divisor);
        }
        lcr = v;
      }
      case 4 -> mcr = v;
      // The 8250 has none; vmd answers so after a write.
      case 7 -> scratch = 0xFF;
      default -> {
        // FCR is swallowed, LSR and MSR are read-only
      }
    }
  }

  private void transmit(int v) {
    sink.put(v);
    sent();
    sent++;
    if ((ier & IER_TRANSMIT) != 0) {
      if (burst > 0 && sent % burst == 0) {
        due = clock.getAsLong() + PAUSE;
      } else {
        pend(TRANSMIT);
      }
    }
    raise();
  }

  @Override
  public long nextEvent() {
    return due;
  }

  @Override
  public void advance(long now) {
    if (now >= due) {
      due = NEVER;
      pend(TRANSMIT);
      raise();
    }
  }
}
