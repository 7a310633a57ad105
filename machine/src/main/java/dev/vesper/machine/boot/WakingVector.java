package dev.vesper.machine.boot;

import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.sev.LaunchState;
import dev.vesper.machine.sev.VmsaField;
import org.jspecify.annotations.Nullable;

/**
 * What firmware does when a machine wakes from suspend to RAM (ACPI 6.4, 16.3.2): it looks for the
 * waking vector that the guest has left in the FACS, and jumps there in real mode. The guest may
 * have overwritten any of the tables.
 */
public final class WakingVector {
  private static final long AREA = 0xE_0000;
  private static final long AREA_END = 0x10_0000;
  private static final long RSDP = 0x2052_5450_2044_5352L;
  private static final int FADT = 0x5043_4146;
  private static final int FACS = 0x5343_4146;
  private static final int HEADER = 36;
  private static final int FIRMWARE_CONTROL = 36;
  private static final int VECTOR = 12;
  private static final int MOST_TABLES = 64;

  private WakingVector() {}

  private static long u32(HostView v, long at) {
    return v.contains(at, 4) ? v.read(at, 4) & 0xFFFF_FFFFL : 0;
  }

  private static long facs(HostView v) {
    for (long at = AREA; at < AREA_END; at += 16) {
      if (!v.contains(at, 20) || v.read(at, 8) != RSDP) {
        continue;
      }
      long rsdt = u32(v, at + 16);
      long tables = Math.min(MOST_TABLES, (u32(v, rsdt + 4) - HEADER) / 4);
      for (int i = 0; i < tables; i++) {
        long table = u32(v, rsdt + HEADER + 4L * i);
        if (u32(v, table) == FADT) {
          return u32(v, table + FIRMWARE_CONTROL);
        }
      }
    }
    return 0;
  }

  /** {@return the registers that the boot processor wakes with, or null if there is no vector} */
  public static @Nullable LaunchState state(HostView v) {
    long facs = facs(v);
    long vector = u32(v, facs) == FACS ? u32(v, facs + VECTOR) : 0;
    if (vector == 0 || vector >= AREA_END) {
      return null;
    }
    return new LaunchState()
        .segment(VmsaField.CS, (int) (vector >>> 4), 0x9B, 0xFFFF, vector & ~15)
        .set(VmsaField.RIP, vector & 15);
  }
}
