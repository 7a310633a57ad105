package dev.vesper.machine.device;

import java.util.function.LongSupplier;

/** The 8254 timer: channel 0 on IRQ 0, channel 2 behind port 61h. Frequency 1 193 182 Hz. */
public final class Pit8254 implements PortDevice, Timed {
  private static final long HZ = 1_193_182;
  private static final long NANOS = 1_000_000_000L;

  private final class Channel {
    int mode = 3;
    int access = 3;
    boolean bcd;
    int reload = 0x1_0000;
    long start;
    boolean loaded;
    boolean gate = true;
    int writeLow = -1;
    boolean readHigh;
    int latch = -1;
    int status = -1;

    long ticks() {
      return gate ? ticksBetween(start, clock.getAsLong()) : 0;
    }

    int count() {
      if (!loaded) {
        return 0;
      }
      long t = ticks();
      int c =
          switch (mode) {
            case 2 -> (int) (reload - t % reload);
            case 3 -> (int) (reload - 2 * t % reload) & ~1;
            default -> (int) (reload - t & 0xFFFF);
          };
      return c & 0xFFFF;
    }

    boolean output() {
      if (!loaded) {
        return mode != 0;
      }
      long t = ticks();
      return switch (mode) {
        case 0 -> t >= reload;
        case 1 -> t >= reload;
        case 2 -> t % reload != reload - 1;
        case 3 -> t % reload < (reload + 1) / 2;
        default -> t != reload;
      };
    }

    void load(int v) {
      int n = bcd ? fromBcd(v) : v;
      reload = n == 0 ? bcd ? 10_000 : 0x1_0000 : n;
      start = clock.getAsLong();
      loaded = true;
    }

    int encoded() {
      return bcd ? toBcd(count()) : count();
    }

    int read() {
      if (status >= 0) {
        int s = status;
        status = -1;
        return s;
      }
      int v = latch >= 0 ? latch : encoded();
      boolean high = access == 2 || access == 3 && readHigh;
      if (access == 3) {
        readHigh = !readHigh;
      }
      if (latch >= 0 && (access != 3 || high)) {
        latch = -1;
      }
      return (high ? v >> 8 : v) & 0xFF;
    }

    void write(int v) {
      switch (access) {
        case 1 -> load(v);
        case 2 -> load(v << 8);
        default -> {
          if (writeLow < 0) {
            writeLow = v;
            if (mode == 0) {
              loaded = false;
            }
          } else {
            load(v << 8 | writeLow);
            writeLow = -1;
          }
        }
      }
    }

    void control(int v) {
      access = v >> 4 & 3;
      mode = v >> 1 & 7;
      if (mode > 5) {
        mode -= 4;
      }
      bcd = (v & 1) != 0;
      loaded = false;
      writeLow = -1;
      readHigh = false;
      latch = -1;
    }
  }

  private final LongSupplier clock;
  private final InterruptLines lines;
  private final Channel[] channels = {new Channel(), new Channel(), new Channel()};
  private long nextEdge = NEVER;
  private boolean speaker;
  private int refresh;

  /**
   * @param clock virtual time in nanoseconds
   */
  public Pit8254(LongSupplier clock, InterruptLines lines) {
    this.clock = clock;
    this.lines = lines;
    channels[2].gate = false;
  }

  private static long ticksBetween(long from, long to) {
    long d = to - from;
    return d / NANOS * HZ + d % NANOS * HZ / NANOS;
  }

  private static long nanos(long ticks) {
    return ticks / HZ * NANOS + (ticks % HZ * NANOS + HZ - 1) / HZ;
  }

  private static int fromBcd(int v) {
    return (v >> 12 & 15) * 1000 + (v >> 8 & 15) * 100 + (v >> 4 & 15) * 10 + (v & 15);
  }

  private static int toBcd(int v) {
    return v / 1000 % 10 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 | v % 10;
  }

  private void schedule() {
    Channel c = channels[0];
    if (!c.loaded) {
      nextEdge = NEVER;
      lines.line(0, c.output());
      return;
    }
    lines.line(0, false);
    nextEdge = c.start + nanos(c.reload);
  }

  @Override
  public long nextEvent() {
    return nextEdge;
  }

  @Override
  public void advance(long now) {
    if (now < nextEdge) {
      return;
    }
    Channel c = channels[0];
    lines.line(0, false);
    lines.line(0, true);
    if (c.mode == 2 || c.mode == 3) {
      // Periods that passed unseen are one interrupt, as on a real controller.
      long k = ticksBetween(c.start, now) / c.reload + 1;
      nextEdge = c.start + nanos(k * c.reload);
      if (nextEdge <= now) {
        nextEdge = c.start + nanos((k + 1) * c.reload);
      }
    } else {
      nextEdge = NEVER;
    }
  }

  @Override
  public int read(int port, int bytes) {
    if (port == 0x61) {
      refresh ^= 0x10;
      return (channels[2].gate ? 1 : 0)
          | (speaker ? 2 : 0)
          | refresh
          | (channels[2].output() ? 0x20 : 0);
    }
    return port == 0x43 ? 0xFF : channels[port & 3].read();
  }

  @Override
  public void write(int port, int bytes, int value) {
    if (port == 0x61) {
      boolean gate = (value & 1) != 0;
      Channel c = channels[2];
      if (gate && !c.gate) {
        c.start = clock.getAsLong();
      }
      c.gate = gate;
      speaker = (value & 2) != 0;
      return;
    }
    if (port != 0x43) {
      channels[port & 3].write(value);
      if (port == 0x40) {
        schedule();
      }
      return;
    }
    int n = value >> 6;
    if (n == 3) {
      for (int i = 0; i < 3; i++) {
        if ((value >> i + 1 & 1) != 0) {
          Channel c = channels[i];
          if ((value & 0x20) == 0 && c.latch < 0) {
            c.latch = c.encoded();
          }
          if ((value & 0x10) == 0) {
            c.status =
                (c.output() ? 0x80 : 0)
                    | (c.loaded ? 0 : 0x40)
                    | c.access << 4
                    | c.mode << 1
                    | (c.bcd ? 1 : 0);
          }
        }
      }
    } else if ((value >> 4 & 3) == 0) {
      if (channels[n].latch < 0) {
        channels[n].latch = channels[n].encoded();
      }
    } else {
      channels[n].control(value);
      if (n == 0) {
        schedule();
      }
    }
  }
}
