package dev.vesper.machine.device;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Physical addresses behind which devices are: of several at one place the first answers. Where
 * nobody is, reads give ones.
 */
public final class MmioBus {
  private record Range(long base, long length, MmioDevice device) {}

  private final List<Range> ranges = new ArrayList<>();

  /** Puts a device at a range. */
  public void attach(MmioDevice device, long base, long length) {
    ranges.add(new Range(base, length, device));
  }

  /** Takes a device away from a range. */
  public void detach(MmioDevice device, long base) {
    ranges.removeIf(r -> r.device == device && r.base == base);
  }

  private @Nullable Range at(long address) {
    for (Range r : ranges) {
      if (address >= r.base && address - r.base < r.length) {
        return r;
      }
    }
    return null;
  }

  /** Reads 1 to 8 bytes, zero-extended. */
  public long read(long address, int bytes) {
    Range r = at(address);
    long ones = -1L >>> 64 - 8 * bytes;
    return r == null ? ones : r.device.read(address - r.base, bytes) & ones;
  }

  /** Writes 1 to 8 bytes. */
  public void write(long address, int bytes, long value) {
    Range r = at(address);
    if (r != null) {
      r.device.write(address - r.base, bytes, value & -1L >>> 64 - 8 * bytes);
    }
  }
}
