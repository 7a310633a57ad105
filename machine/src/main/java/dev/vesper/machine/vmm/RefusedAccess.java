package dev.vesper.machine.vmm;

import dev.vesper.machine.memory.HostRmp;
import dev.vesper.machine.memory.RmpEntry;
import java.util.Locale;

/** What EXITINFO1 of #NPF says of an access that the reverse map table refuses, in words. */
final class RefusedAccess {
  // AMD APM volume 2, 15.25.6.
  private static final long WRITE = 1 << 1;
  private static final long FETCH = 1 << 4;
  private static final long TABLE_WALK = 1L << 33;

  private RefusedAccess() {}

  /** {@return the kind of access} */
  static String explain(long info1) {
    String kind =
        (info1 & FETCH) != 0 ? "fetch" : (info1 & WRITE) != 0 ? "data write" : "data read";
    return ((info1 & HostRmp.ENCRYPTED) != 0 ? "private " : "shared ")
        + ((info1 & TABLE_WALK) != 0 ? "page table access" : kind)
        + " (EXITINFO1 0x"
        + Long.toHexString(info1)
        + ")";
  }

  /** {@return what a page is} */
  static String state(RmpEntry e) {
    String name =
        e.assigned() ? e.state().name().toLowerCase(Locale.ROOT).replace('_', '-') : "shared";
    return name + (e.large() ? " (2 MiB)" : "") + (e.vmsa() ? " and a save area" : "");
  }
}
