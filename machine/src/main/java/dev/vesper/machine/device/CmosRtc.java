package dev.vesper.machine.device;

import dev.vesper.machine.host.GuestRam;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.function.LongSupplier;

/**
 * The CMOS memory and real-time clock at 70h and 71h (Motorola MC146818A with a century at 32h).
 * The clock goes with virtual time, so it is the same in every run. Its divider runs with a time
 * base of 32768 Hz only, and it does not change to daylight saving time.
 */
public final class CmosRtc implements PortDevice, Timed {
  /** The byte by which a BIOS knows why the processor was reset, and QEMU's value for waking. */
  private static final int SHUTDOWN_STATUS = 0x0F;

  private static final int WAKES = 0xFE;

  private static final int SECOND = 0;
  private static final int MINUTE = 2;
  private static final int HOUR = 4;
  private static final int WEEKDAY = 6;
  private static final int DAY = 7;
  private static final int MONTH = 8;
  private static final int YEAR = 9;
  private static final int A = 0x0A;
  private static final int B = 0x0B;
  private static final int C = 0x0C;
  private static final int D = 0x0D;
  private static final int CENTURY = 0x32;

  private static final int UPDATE_IN_PROGRESS = 0x80;
  private static final int DIVIDER = 0x70;
  private static final int DIVIDER_RUNS = 0x20;
  private static final int RATE = 0x0F;

  private static final int SET = 0x80;
  private static final int BINARY = 4;
  private static final int HOURS_24 = 2;

  // Interrupts: enabled by these bits of register B, flagged by the same ones of C.
  private static final int PERIODIC = 0x40;
  private static final int ALARM = 0x20;
  private static final int UPDATE_ENDED = 0x10;
  private static final int INTERRUPTS = PERIODIC | ALARM | UPDATE_ENDED;
  private static final int REQUEST = 0x80;
  private static final int SQUARE_WAVE = 8;

  private static final int VALID = 0x80;
  private static final int IRQ = 8;

  private static final long NANOS = 1_000_000_000L;

  /** From the rise of update-in-progress to the end of the update: 244 + 1984 microseconds. */
  private static final long UPDATE_NANOS = 2_228_000L;

  private static final int DAY_SECONDS = 86_400;

  private final byte[] ram = new byte[128];
  private final LongSupplier clock;
  private final InterruptLines lines;
  private Runnable alarm = () -> {};
  private int index;

  /** When the divider began to run, less whole seconds; meaningless while it is held in reset. */
  private long phase;

  /** Until when everything has happened. */
  private long settled;

  private long next = NEVER;

  /**
   * @param clock virtual time in nanoseconds
   * @param lines takes IRQ 8
   * @param startSeconds date and time at virtual time 0, in seconds since 1970
   * @param memory of which the chip's own tells a BIOS how much there is
   */
  public CmosRtc(LongSupplier clock, InterruptLines lines, long startSeconds, GuestRam memory) {
    this.clock = clock;
    this.lines = lines;
    ram[A] = DIVIDER_RUNS | 6;
    ram[B] = HOURS_24;
    LocalDateTime t = LocalDateTime.ofEpochSecond(startSeconds, 0, ZoneOffset.UTC);
    ram[WEEKDAY] = (byte) (t.getDayOfWeek().getValue() % 7 + 1);
    store(t);
    put16(0x15, 640);
    // In KiB from 1 MiB on, in 64 KiB from 16 MiB on, and in 64 KiB from 4 GiB on.
    long above1M = Math.max(0, memory.below4G() - (1 << 20)) >> 10;
    put16(0x17, (int) Math.min(above1M, 0xFC00));
    put16(0x30, (int) Math.min(above1M, 0xFC00));
    put16(0x34, (int) Math.min(Math.max(0, memory.below4G() - (16L << 20)) >> 16, 0xFFFF));
    int above4G = (int) (memory.above4G() >> 16);
    put16(0x5B, above4G);
    ram[0x5D] = (byte) (above4G >> 16);
  }

  /** Calls back when an alarm interrupts, which wakes a sleeping machine. */
  public void onAlarm(Runnable r) {
    alarm = r;
  }

  private void put16(int at, int v) {
    ram[at] = (byte) v;
    ram[at + 1] = (byte) (v >> 8);
  }

  /**
   * The reset pin: no interrupts; time, alarm and memory are those of the chip as it was.
   *
   * @param before the chip before the reset, which keeps the battery
   */
  public void resetFrom(CmosRtc before) {
    before.settle(clock.getAsLong());
    System.arraycopy(before.ram, 0, ram, 0, ram.length);
    phase = before.phase;
    settled = before.settled;
    ram[B] &= ~(INTERRUPTS | SQUARE_WAVE);
    ram[C] = 0;
    drive();
  }

  /**
   * Stores the order in which a BIOS tries kinds of devices, where QEMU's PC does.
   *
   * @param order four bits a device, the first one lowest: 1 floppy, 2 hard disk, 3 CD-ROM, 4
   *     network
   */
  public void bootOrder(int order) {
    ram[0x3D] = (byte) order;
    ram[0x38] = (byte) (order >> 4 & 0xF0);
  }

  /** Says by the shutdown status that the processor is reset because the machine wakes. */
  public void sayThatItWakes() {
    ram[SHUTDOWN_STATUS] = (byte) WAKES;
  }

  // ---- numbers

  private boolean on(int register, int bits) {
    return (ram[register] & bits) != 0;
  }

  private int coded(int v) {
    return on(B, BINARY) ? v : v / 10 << 4 | v % 10;
  }

  private int decoded(int v) {
    return on(B, BINARY) ? v & 0xFF : (v >> 4 & 15) * 10 + (v & 15);
  }

  private int codedHour(int h) {
    if (on(B, HOURS_24)) {
      return coded(h);
    }
    return coded(h % 12 == 0 ? 12 : h % 12) | (h >= 12 ? 0x80 : 0);
  }

  private int hour() {
    int h = ram[HOUR];
    if (on(B, HOURS_24)) {
      return decoded(h);
    }
    return decoded(h & 0x7F) % 12 + ((h & 0x80) != 0 ? 12 : 0);
  }

  /** {@return date and time that registers say; what no calendar has is carried over} */
  private LocalDateTime time() {
    int year = decoded(ram[CENTURY]) * 100 + decoded(ram[YEAR]);
    return LocalDateTime.of(year, 1, 1, 0, 0)
        .plusMonths(Math.max(0, decoded(ram[MONTH]) - 1))
        .plusDays(Math.max(0, decoded(ram[DAY]) - 1))
        .plusHours(hour())
        .plusMinutes(decoded(ram[MINUTE]))
        .plusSeconds(decoded(ram[SECOND]));
  }

  private void store(LocalDateTime t) {
    ram[SECOND] = (byte) coded(t.getSecond());
    ram[MINUTE] = (byte) coded(t.getMinute());
    ram[HOUR] = (byte) codedHour(t.getHour());
    ram[DAY] = (byte) coded(t.getDayOfMonth());
    ram[MONTH] = (byte) coded(t.getMonthValue());
    ram[YEAR] = (byte) coded(t.getYear() % 100);
    ram[CENTURY] = (byte) coded(t.getYear() / 100 % 100);
  }

  // ---- what happens in time

  private boolean dividerRuns() {
    return (ram[A] & DIVIDER) == DIVIDER_RUNS;
  }

  private boolean updates() {
    return dividerRuns() && !on(B, SET);
  }

  /** {@return nanoseconds between periodic interrupts times 32768, or 0 for none} */
  private long period() {
    int rate = ram[A] & RATE;
    // The two lowest rates are those of 8 and 9.
    int shift = rate == 0 ? -1 : rate < 3 ? rate + 6 : rate - 1;
    return shift < 0 ? 0 : NANOS << shift;
  }

  private long periods(long now) {
    long p = period();
    long since = now - phase;
    return p == 0 ? 0 : since / NANOS * ((NANOS << 15) / p) + (since % NANOS << 15) / p;
  }

  private long seconds(long now) {
    return Math.floorDiv(now - phase, NANOS);
  }

  /** Lets everything happen that is due. */
  private void settle(long now) {
    if (now <= settled) {
      return;
    }
    if (dividerRuns() && periods(now) > periods(settled)) {
      ram[C] |= PERIODIC;
    }
    if (updates()) {
      update(seconds(now) - seconds(settled));
    }
    settled = now;
  }

  private void update(long seconds) {
    if (seconds <= 0) {
      return;
    }
    ram[C] |= UPDATE_ENDED;
    LocalDateTime before = time();
    int toAlarm = toAlarm(before.toLocalTime().toSecondOfDay());
    if (toAlarm <= Math.min(seconds, DAY_SECONDS)) {
      ram[C] |= ALARM;
    }
    LocalDateTime after = before.plusSeconds(seconds);
    long days = after.toLocalDate().toEpochDay() - before.toLocalDate().toEpochDay();
    if (days != 0) {
      ram[WEEKDAY] = (byte) (Math.floorMod(ram[WEEKDAY] - 1 + days, 7) + 1);
    }
    store(after);
  }

  private static boolean meant(int alarm, int now) {
    return (alarm & 0xC0) == 0xC0 || (alarm & 0xFF) == now;
  }

  /** {@return seconds from a second of the day to the next alarm, or more than a day for never} */
  private int toAlarm(int from) {
    for (int s = 1; s <= DAY_SECONDS; ) {
      int t = (from + s) % DAY_SECONDS;
      if (!meant(ram[HOUR + 1], codedHour(t / 3600))) {
        s += 3600 - t % 3600;
      } else if (!meant(ram[MINUTE + 1], coded(t / 60 % 60))) {
        s += 60 - t % 60;
      } else if (!meant(ram[SECOND + 1], coded(t % 60))) {
        s++;
      } else {
        return s;
      }
    }
    return DAY_SECONDS + 1;
  }

  /** Drives the line, and looks when it rises next by itself. */
  private void drive() {
    int requests = ram[B] & ram[C] & INTERRUPTS;
    boolean was = on(C, REQUEST);
    ram[C] = (byte) (ram[C] & INTERRUPTS | (requests != 0 ? REQUEST : 0));
    lines.line(IRQ, requests != 0);
    if (!was && (requests & ALARM) != 0) {
      alarm.run();
    }
    int waits = ram[B] & ~ram[C];
    next = NEVER;
    if (dividerRuns() && (waits & PERIODIC) != 0 && period() != 0) {
      long n = periods(settled) + 1;
      long perSecond = (NANOS << 15) / period();
      long in = (n % perSecond * period() + (1 << 15) - 1) >> 15;
      next = phase + n / perSecond * NANOS + in;
    }
    if (updates()) {
      long last = phase + seconds(settled) * NANOS;
      if ((waits & UPDATE_ENDED) != 0) {
        next = Math.min(next, last + NANOS);
      }
      int toAlarm = (waits & ALARM) == 0 ? DAY_SECONDS + 1 : toAlarm();
      if (toAlarm <= DAY_SECONDS) {
        next = Math.min(next, last + toAlarm * NANOS);
      }
    }
  }

  private int toAlarm() {
    return toAlarm(time().toLocalTime().toSecondOfDay());
  }

  @Override
  public long nextEvent() {
    return next;
  }

  @Override
  public void advance(long now) {
    if (now >= next) {
      settle(now);
      drive();
    }
  }

  // ---- registers

  @Override
  public int read(int port, int bytes) {
    if (port == 0x70) {
      return 0xFF;
    }
    long now = clock.getAsLong();
    settle(now);
    int v = ram[index] & 0xFF;
    return switch (index) {
      case A -> {
        boolean soon = updates() && NANOS - Math.floorMod(now - phase, NANOS) <= UPDATE_NANOS;
        yield v & ~UPDATE_IN_PROGRESS | (soon ? UPDATE_IN_PROGRESS : 0);
      }
      case C -> {
        drive();
        int flags = ram[C] & 0xFF;
        ram[C] = 0;
        drive();
        yield flags;
      }
      case D -> VALID;
      default -> v;
    };
  }

  /** {@return which byte port 71h is} */
  public int selected() {
    return index;
  }

  @Override
  public void write(int port, int bytes, int value) {
    if (port == 0x70) {
      index = value & 0x7F;
      return;
    }
    long now = clock.getAsLong();
    settle(now);
    switch (index) {
      case A -> {
        boolean ran = dividerRuns();
        ram[A] = (byte) (value & ~UPDATE_IN_PROGRESS);
        if (!ran && dividerRuns()) {
          // The first update is half a second after the divider is let go.
          phase = now - NANOS / 2;
        }
      }
      // The end of an update is not waited for while there are none.
      case B -> ram[B] = (byte) ((value & SET) != 0 ? value & ~UPDATE_ENDED : value);
      case C, D -> {
        return;
      }
      default -> ram[index] = (byte) value;
    }
    if (index <= B || index == CENTURY) {
      drive();
    }
  }
}
