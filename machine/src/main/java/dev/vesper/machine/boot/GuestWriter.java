package dev.vesper.machine.boot;

import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;

/** Writes a guest's initial contents and remembers the pages that it touched. */
final class GuestWriter {
  private static final String BOOT_DATA = "the boot data";

  /** How often each page may be covered: segments share some, and boot data lies among them. */
  private static final int MOST_TIMES = 4;

  private static final int MOST_COVERED = 1 << 17;

  private final HostView view;
  private final long lowEnd;
  private final NavigableMap<Long, String> pages = new TreeMap<>();

  /** Pages, counted as often as something is put into them. */
  private long covered;

  /**
   * @param lowEnd the address behind memory below 4 GiB that is the guest's
   */
  GuestWriter(HostView view, long lowEnd) {
    this.view = view;
    this.lowEnd = lowEnd;
  }

  /** {@return the memory that is written} */
  HostView view() {
    return view;
  }

  /** {@return where memory lies} */
  GuestRam ram() {
    return view.ram();
  }

  /** {@return the address behind memory below 4 GiB, where everything is put} */
  long lowEnd() {
    return lowEnd;
  }

  /** {@return all memory in MiB, for messages} */
  long mebibytes() {
    return ram().bytes() >> 20;
  }

  void require(String what, long address, long length) throws BootException {
    if (!view.contains(address, length)) {
      throw new BootException(
          what
              + " needs memory at 0x"
              + Long.toHexString(address)
              + "..0x"
              + Long.toHexString(address + length)
              + " but the guest has "
              + mebibytes()
              + " MiB: "
              + remedy(address, length));
    }
  }

  /** {@return what is to be done about a range that a guest's memory does not have} */
  static String remedy(long address, long length) {
    long most = MachineSpec.MAX_MEMORY;
    boolean possible =
        Long.compareUnsigned(address, most) < 0
            && Long.compareUnsigned(length, most - address) <= 0;
    return possible ? "give it more with -m" : "no guest has memory there";
  }

  void put(String what, long address, byte[] from, int offset, int length) throws BootException {
    require(what, address, length);
    view.write(address, from, offset, length);
    cover(what, address, length);
  }

  void put(String what, long address, byte[] bytes) throws BootException {
    put(what, address, bytes, 0, bytes.length);
  }

  void put(String what, long address, int bytes, long value) throws BootException {
    require(what, address, bytes);
    view.write(address, bytes, value);
    cover(what, address, bytes);
  }

  void put(long address, byte[] bytes) throws BootException {
    put(BOOT_DATA, address, bytes);
  }

  void put(long address, int bytes, long value) throws BootException {
    put(BOOT_DATA, address, bytes, value);
  }

  /**
   * Marks zeroed memory as part of the launch.
   *
   * @throws BootException if an image puts one thing over the other again and again
   */
  void cover(String what, long address, long length) throws BootException {
    covered += (length >>> 12) + 1;
    if (covered > MOST_COVERED + MOST_TIMES * (lowEnd() >>> 12)) {
      throw new BootException(
          what
              + " is damaged: it loads so many parts to the same places that it would take too"
              + " long; copy or build it anew");
    }
    for (long p = address >>> 12; length > 0 && p <= address + length - 1 >>> 12; p++) {
      pages.merge(p, what, (old, more) -> old.contains(more) ? old : old + ", " + more);
    }
  }

  /** {@return the touched pages as ranges in address order} */
  List<LoadedGuest.Range> ranges() {
    List<LoadedGuest.Range> out = new ArrayList<>();
    for (Map.Entry<Long, String> e : pages.entrySet()) {
      long at = e.getKey() << 12;
      LoadedGuest.Range last = out.isEmpty() ? null : out.get(out.size() - 1);
      if (last != null
          && last.address() + last.length() == at
          && last.what().equals(e.getValue())) {
        out.set(
            out.size() - 1,
            new LoadedGuest.Range(last.address(), last.length() + 0x1000, last.what()));
      } else {
        out.add(new LoadedGuest.Range(at, 0x1000, e.getValue()));
      }
    }
    return out;
  }
}
