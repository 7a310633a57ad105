package dev.vesper.machine.device;

import java.util.function.LongSupplier;

/**
 * The 8254 timer (Intel 231164): counter 0 on IRQ 0, counter 2 behind port 61h, which has its gate
 * in bit 0 and its output in bit 5. Frequency 1 193 182 Hz.
 */
public final class Pit8254 implements PortDevice, Timed {
  private static final long HZ = 1_193_182;
  private static final long NANOS = 1_000_000_000L;
  private static final int CONTROL = 3;
  private static final int READ_BACK = 3;
  private static final int PORT_B = 0x61;

  private final LongSupplier clock;
  private final InterruptLines lines;
  private final PitCounter[] counters = {
    new PitCounter(true), new PitCounter(true), new PitCounter(false)
  };
  private boolean raised = true;
  private long nextEdge = NEVER;
  private boolean speaker;
  private int refresh;

  /**
   * @param clock virtual time in nanoseconds
   * @param lines takes IRQ 0
   */
  public Pit8254(LongSupplier clock, InterruptLines lines) {
    this.clock = clock;
    this.lines = lines;
  }

  private static long pulses(long nanos) {
    return nanos / NANOS * HZ + nanos % NANOS * HZ / NANOS;
  }

  private long now() {
    return pulses(clock.getAsLong());
  }

  private static long nanos(long pulses) {
    return pulses / HZ * NANOS + (pulses % HZ * NANOS + HZ - 1) / HZ;
  }

  private void drive(boolean on) {
    if (on != raised) {
      raised = on;
      lines.line(0, on);
    }
  }

  /** Software has told counter 0 something. */
  private void schedule(long now) {
    PitCounter c = counters[0];
    drive(c.output(now));
    long rise = c.nextRise(now);
    nextEdge = rise == PitCounter.NEVER ? NEVER : nanos(rise);
  }

  @Override
  public long nextEvent() {
    return nextEdge;
  }

  @Override
  public void advance(long time) {
    if (time < nextEdge) {
      return;
    }
    // Edges that passed unseen are one.
    drive(false);
    drive(true);
    long rise = counters[0].nextRise(pulses(time));
    nextEdge = rise == PitCounter.NEVER ? NEVER : nanos(rise);
  }

  @Override
  public int read(int port, int bytes) {
    if (port == PORT_B) {
      PitCounter c = counters[2];
      refresh ^= 0x10;
      return (c.gate() ? 1 : 0) | (speaker ? 2 : 0) | refresh | (c.output(now()) ? 0x20 : 0);
    }
    int n = port & 3;
    return n == CONTROL ? 0xFF : counters[n].read(now());
  }

  @Override
  public void write(int port, int bytes, int value) {
    long now = now();
    int n = port & 3;
    if (port == PORT_B) {
      counters[2].setGate((value & 1) != 0, now);
      speaker = (value & 2) != 0;
    } else if (n == CONTROL) {
      control(value & 0xFF, now);
    } else {
      counters[n].write(value & 0xFF, now);
      if (n == 0) {
        schedule(now);
      }
    }
  }

  private void control(int v, long now) {
    int n = v >> 6;
    if (n == READ_BACK) {
      for (int i = 0; i < counters.length; i++) {
        if ((v >> i + 1 & 1) != 0) {
          readBack(counters[i], v, now);
        }
      }
    } else if ((v >> 4 & 3) == 0) {
      counters[n].latchCount(now);
    } else {
      counters[n].control(v);
      if (n == 0) {
        schedule(now);
      }
    }
  }

  private static void readBack(PitCounter c, int v, long now) {
    if ((v & 0x20) == 0) {
      c.latchCount(now);
    }
    if ((v & 0x10) == 0) {
      c.latchStatus(now);
    }
  }
}
