package dev.vesper.machine.device;

import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.function.LongSupplier;

/**
 * The CMOS memory and real-time clock at 70h and 71h. Its time is the start time of the machine
 * plus virtual time, so it is the same in every run; it never says that an update is in progress.
 */
public final class CmosRtc implements PortDevice {
  private final byte[] ram = new byte[128];
  private final LongSupplier clock;
  private final long startSeconds;
  private int index;

  /**
   * @param clock virtual time in nanoseconds
   * @param startSeconds date and time at virtual time 0, in seconds since 1970
   */
  public CmosRtc(LongSupplier clock, long startSeconds, long memoryBytes) {
    this.clock = clock;
    this.startSeconds = startSeconds;
    ram[0x0A] = 0x26;
    ram[0x0B] = 0x02;
    ram[0x0D] = (byte) 0x80;
    put16(0x15, 640);
    long above1M = Math.max(0, memoryBytes - (1 << 20)) >> 10;
    put16(0x17, (int) Math.min(above1M, 0xFC00));
    put16(0x30, (int) Math.min(above1M, 0xFC00));
    put16(0x34, (int) Math.min(Math.max(0, memoryBytes - (16L << 20)) >> 16, 0xFFFF));
  }

  private void put16(int at, int v) {
    ram[at] = (byte) v;
    ram[at + 1] = (byte) (v >> 8);
  }

  @Override
  public int read(int port, int bytes) {
    if (port == 0x70) {
      return 0xFF;
    }
    if (index == 0x0C) {
      return 0;
    }
    LocalDateTime t =
        LocalDateTime.ofEpochSecond(
            startSeconds + clock.getAsLong() / 1_000_000_000L, 0, ZoneOffset.UTC);
    return switch (index) {
      case 0 -> coded(t.getSecond());
      case 2 -> coded(t.getMinute());
      case 4 -> hour(t.getHour());
      case 6 -> coded(t.getDayOfWeek().getValue() % 7 + 1);
      case 7 -> coded(t.getDayOfMonth());
      case 8 -> coded(t.getMonthValue());
      case 9 -> coded(t.getYear() % 100);
      case 0x32 -> coded(t.getYear() / 100);
      default -> ram[index] & 0xFF;
    };
  }

  private int coded(int v) {
    return (ram[0x0B] & 4) != 0 ? v : v / 10 << 4 | v % 10;
  }

  private int hour(int h) {
    if ((ram[0x0B] & 2) != 0) {
      return coded(h);
    }
    return coded(h % 12 == 0 ? 12 : h % 12) | (h >= 12 ? 0x80 : 0);
  }

  @Override
  public void write(int port, int bytes, int value) {
    if (port == 0x70) {
      index = value & 0x7F;
    } else if (index >= 0x0E || index == 0x0B) {
      ram[index] = (byte) value;
    } else if (index == 0x0A) {
      ram[index] = (byte) (value & 0x7F);
    }
  }
}
