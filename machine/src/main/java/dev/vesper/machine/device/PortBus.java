package dev.vesper.machine.device;

import org.jspecify.annotations.Nullable;

/**
 * The 64 Ki I/O ports. Ports that nobody claims read as ones and swallow writes. An access that is
 * wider than the register at its port goes on to the ports behind it, whoever has those.
 */
public final class PortBus {
  private final @Nullable PortDevice[] devices = new PortDevice[0x1_0000];
  private @Nullable Unanswered unanswered;

  /** Tells an observer of accesses that nobody answers. */
  public void observe(@Nullable Unanswered o) {
    unanswered = o;
  }

  /** Puts a device at a range of ports. */
  public void attach(PortDevice device, int first, int last) {
    for (int p = first; p <= last; p++) {
      devices[p] = device;
    }
  }

  /**
   * Puts a device at those ports of a range that nobody has yet: a guest that moves a device onto
   * another one does not hide that.
   */
  public void attachWhereFree(PortDevice device, int first, int last) {
    for (int p = first; p <= last; p++) {
      if (devices[p] == null) {
        devices[p] = device;
      }
    }
  }

  /** Takes a device away from the ports of a range that it has. */
  public void detach(PortDevice device, int first, int last) {
    for (int p = first; p <= last; p++) {
      if (devices[p] == device) {
        devices[p] = null;
      }
    }
  }

  /** A device of the bus and where it is. */
  public interface Visitor {
    /** Ports in a row that one device has. */
    void at(PortDevice device, int first, int last);
  }

  /** Tells of all ports that somebody has, in their order. */
  public void look(Visitor to) {
    for (int first = 0; first < devices.length; ) {
      PortDevice d = devices[first];
      int last = first;
      while (last + 1 < devices.length && devices[last + 1] == d) {
        last++;
      }
      if (d != null) {
        to.at(d, first, last);
      }
      first = last + 1;
    }
  }

  private static int ones(int bytes) {
    return bytes == 4 ? -1 : (1 << 8 * bytes) - 1;
  }

  /** {@return how many bytes a device takes at once, or how many ports in a row have none} */
  private int piece(@Nullable PortDevice d, int port, int left) {
    if (d != null) {
      return AccessSplit.piece(left, d.width(port));
    }
    int n = 1;
    while (n < left && devices[port + n & 0xFFFF] == null) {
      n++;
    }
    return n;
  }

  private void nobody(int port, int bytes, boolean write) {
    if (unanswered != null) {
      unanswered.access(port, bytes, write);
    }
  }

  /** Reads 1, 2 or 4 bytes, zero-extended to an int. */
  public int read(int port, int bytes) {
    int value = 0;
    for (int done = 0; done < bytes; ) {
      int at = port + done & 0xFFFF;
      PortDevice d = devices[at];
      int n = piece(d, at, bytes - done);
      if (d == null) {
        nobody(at, n, false);
      }
      value |= (d == null ? ones(n) : d.read(at, n) & ones(n)) << 8 * done;
      done += n;
    }
    return value;
  }

  /** Writes 1, 2 or 4 bytes. */
  public void write(int port, int bytes, int value) {
    for (int done = 0; done < bytes; ) {
      int at = port + done & 0xFFFF;
      PortDevice d = devices[at];
      int n = piece(d, at, bytes - done);
      if (d != null) {
        d.write(at, n, value >> 8 * done & ones(n));
      } else {
        nobody(at, n, true);
      }
      done += n;
    }
  }
}
