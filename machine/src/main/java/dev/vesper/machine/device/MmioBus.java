package dev.vesper.machine.device;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Physical addresses behind which devices are: of several at one place the first answers. Where
 * nobody is, reads give ones. An access that is wider than the register at its address, or not
 * aligned, is split.
 */
public final class MmioBus {
  private record Range(long base, long length, MmioDevice device) {}

  private final List<Range> ranges = new ArrayList<>();
  private @Nullable Unanswered unanswered;

  /** Tells an observer of accesses that nobody answers, and of writes to ROM. */
  public void observe(@Nullable Unanswered o) {
    unanswered = o;
  }

  private void look(@Nullable Range r, long address, int bytes, boolean write) {
    if (unanswered != null && (r == null || write && r.device instanceof Rom)) {
      unanswered.access(address, bytes, write);
    }
  }

  /** Puts a device at a range. */
  public void attach(MmioDevice device, long base, long length) {
    ranges.add(new Range(base, length, device));
  }

  /** Takes a device away from a range. */
  public void detach(MmioDevice device, long base) {
    ranges.removeIf(r -> r.device == device && r.base == base);
  }

  /** A device of the bus and where it is. */
  public interface Visitor {
    /** One range; of several at one place the first answers. */
    void at(MmioDevice device, long base, long length);
  }

  /** Tells of all ranges in their order. */
  public void look(Visitor to) {
    ranges.forEach(r -> to.at(r.device, r.base, r.length));
  }

  private @Nullable Range at(long address) {
    for (Range r : ranges) {
      if (address >= r.base && address - r.base < r.length) {
        return r;
      }
    }
    return null;
  }

  private static int piece(@Nullable Range r, long address, int left) {
    int aligned = AccessSplit.alignment(address);
    int width = r == null ? aligned : Math.min(aligned, r.device.width(address - r.base));
    return AccessSplit.piece(left, width);
  }

  /** Reads 1 to 8 bytes, zero-extended. */
  public long read(long address, int bytes) {
    long value = 0;
    for (int done = 0; done < bytes; ) {
      Range r = at(address + done);
      int n = piece(r, address + done, bytes - done);
      look(r, address + done, n, false);
      long ones = -1L >>> 64 - 8 * n;
      value |= (r == null ? ones : r.device.read(address + done - r.base, n) & ones) << 8 * done;
      done += n;
    }
    return value;
  }

  /** Writes 1 to 8 bytes. */
  public void write(long address, int bytes, long value) {
    for (int done = 0; done < bytes; ) {
      Range r = at(address + done);
      int n = piece(r, address + done, bytes - done);
      look(r, address + done, n, true);
      if (r != null) {
        long v = value >>> 8 * done & -1L >>> 64 - 8 * n;
        r.device.write(address + done - r.base, n, v);
      }
      done += n;
    }
  }
}
