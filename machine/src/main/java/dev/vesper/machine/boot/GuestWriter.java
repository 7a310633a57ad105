package dev.vesper.machine.boot;

import dev.vesper.machine.memory.HostView;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;

/** Writes a guest's initial contents and remembers the pages that it touched. */
final class GuestWriter {
  private final HostView view;
  private final TreeSet<Long> pages = new TreeSet<>();

  GuestWriter(HostView view) {
    this.view = view;
  }

  long size() {
    return view.guestBytes();
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
              + (size() >> 20)
              + " MiB: give it more with -m");
    }
  }

  void put(String what, long address, byte[] from, int offset, int length) throws BootException {
    require(what, address, length);
    view.write(address, from, offset, length);
    cover(address, length);
  }

  void put(long address, byte[] bytes) throws BootException {
    put("the boot data", address, bytes, 0, bytes.length);
  }

  void put(long address, int bytes, long value) throws BootException {
    require("the boot data", address, bytes);
    view.write(address, bytes, value);
    cover(address, bytes);
  }

  /** Marks zeroed memory as part of the launch. */
  void cover(long address, long length) {
    for (long p = address >>> 12; length > 0 && p <= address + length - 1 >>> 12; p++) {
      pages.add(p);
    }
  }

  /** {@return the touched pages as ranges in address order} */
  List<LoadedGuest.Range> ranges() {
    List<LoadedGuest.Range> out = new ArrayList<>();
    long start = -1;
    long end = -1;
    for (long p : pages) {
      if (p != end) {
        if (start >= 0) {
          out.add(new LoadedGuest.Range(start << 12, end - start << 12));
        }
        start = p;
      }
      end = p + 1;
    }
    if (start >= 0) {
      out.add(new LoadedGuest.Range(start << 12, end - start << 12));
    }
    return out;
  }
}
