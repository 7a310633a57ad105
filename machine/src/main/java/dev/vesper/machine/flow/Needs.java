package dev.vesper.machine.flow;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.NaeEvent;

/** What of a field the host needs to answer a request (GHCB standard, list of events). */
final class Needs {
  private Needs() {}

  /** {@return how many low bytes of a field a request needs, 0 for none} */
  static int bytes(NaeEvent e, GhcbField f, GhcbPage request) {
    boolean always =
        f == GhcbField.SW_EXITCODE || f == GhcbField.SW_EXITINFO1 || f == GhcbField.SW_EXITINFO2;
    if (always || f == GhcbField.CPL) {
      return f.bytes;
    }
    if ((e.requiredMask(request::get) & f.mask()) == 0) {
      // XSS goes with CPUID as XCR0 does, and says as little.
      boolean state = e == NaeEvent.CPUID && (f == GhcbField.XCR0 || f == GhcbField.XSS);
      return state ? f.bytes : 0;
    }
    return switch (e) {
      case CPUID, MSR, RDPMC, MONITOR, MWAIT ->
          f == GhcbField.RAX || f == GhcbField.RCX || f == GhcbField.RDX ? 4 : f.bytes;
      case IOIO -> f == GhcbField.RAX ? ioBytes(request.get(GhcbField.SW_EXITINFO1)) : f.bytes;
      default -> f.bytes;
    };
  }

  /** {@return the size of a port access by its bits 6:4} */
  private static int ioBytes(long info1) {
    int size = (int) (info1 >>> 4) & 7;
    return size == 0 ? 4 : size;
  }
}
