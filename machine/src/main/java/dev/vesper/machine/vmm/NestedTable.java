package dev.vesper.machine.vmm;

import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.host.NestedPaging;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * What a hypervisor program has changed in the nested page tables. As long as it changes nothing
 * processors do not ask here.
 */
public final class NestedTable implements NestedPaging {
  private static final int PAGE_BITS = 12;

  private final GuestRam ram;
  private final Runnable flush;
  private Runnable used = () -> {};
  private final Map<Long, Mapping> mappings = new HashMap<>();
  private final Map<Long, Long> moved = new HashMap<>();
  private final Set<Long> confined = new HashSet<>();

  /**
   * @param ram where guest memory lies
   * @param flush has processors forget translations
   */
  NestedTable(GuestRam ram, Runnable flush) {
    this.ram = ram;
    this.flush = flush;
  }

  /** Calls back when the first change comes: processors are to ask from then on. */
  public void onUse(Runnable r) {
    used = r;
  }

  /** {@return what guests may do with a page, by its number} */
  public Mapping mapping(long frame) {
    Mapping m = mappings.getOrDefault(frame, Mapping.PRESENT);
    if (confined.isEmpty() || confined.contains(frame)) {
      return m;
    }
    return switch (m) {
      case PRESENT -> Mapping.NO_EXECUTE;
      case READ_ONLY -> Mapping.READ_ONLY_NO_EXECUTE;
      default -> m;
    };
  }

  /** {@return the number of the page of system memory that a page is mapped to} */
  public long frame(long frame) {
    Long to = moved.get(frame);
    return to == null ? frame : to;
  }

  private void changed() {
    used.run();
    used = () -> {};
    flush.run();
  }

  @Override
  public void set(long gpa, Mapping mapping) {
    Mapping before =
        mapping == Mapping.PRESENT
            ? mappings.remove(gpa >>> PAGE_BITS)
            : mappings.put(gpa >>> PAGE_BITS, mapping);
    if (before != (mapping == Mapping.PRESENT ? null : mapping)) {
      changed();
    }
  }

  @Override
  public Mapping get(long gpa) {
    return mappings.getOrDefault(gpa >>> PAGE_BITS, Mapping.PRESENT);
  }

  @Override
  public void map(long gpa, long to) {
    for (long a : new long[] {gpa, to}) {
      if (!ram.hasPage(a >>> PAGE_BITS)) {
        throw new IndexOutOfBoundsException(
            "there is no guest memory at 0x"
                + Long.toHexString(a)
                + ", which has "
                + (ram.bytes() >> 20)
                + " MiB");
      }
    }
    if (gpa >>> PAGE_BITS == to >>> PAGE_BITS) {
      moved.remove(gpa >>> PAGE_BITS);
    } else {
      moved.put(gpa >>> PAGE_BITS, to >>> PAGE_BITS);
    }
    changed();
  }

  @Override
  public long backing(long gpa) {
    return frame(gpa >>> PAGE_BITS) << PAGE_BITS | gpa & (1 << PAGE_BITS) - 1;
  }

  @Override
  public void confine(long gpa, boolean on) {
    if (on ? confined.add(gpa >>> PAGE_BITS) : confined.remove(gpa >>> PAGE_BITS)) {
      changed();
    }
  }
}
