package dev.vesper.cli.monitor;

import dev.vesper.machine.Machine;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.spec.MachineSpec;

/** Memory as a session sees it. */
public final class MemoryReader {
  private static final int PAGE = 4096;

  private final Session session;
  private final VcpuView vcpu;
  private final boolean physical;

  /**
   * @param physical by guest physical addresses
   */
  MemoryReader(Session session, boolean physical) {
    this.session = session;
    this.physical = physical;
    vcpu = session.vcpu();
  }

  /**
   * {@return bytes}
   *
   * @throws IndexOutOfBoundsException if any of them cannot be read
   */
  byte[] read(long address, int length) {
    byte[] out = new byte[length];
    for (int done = 0; done < length; ) {
      long at = address + done;
      int n = (int) Math.min(length - done, PAGE - (at & PAGE - 1));
      System.arraycopy(piece(at, n), 0, out, done, n);
      done += n;
    }
    return out;
  }

  private byte[] piece(long at, int n) {
    boolean guest = session.view() == Session.View.GUEST;
    if (!physical && guest) {
      return vcpu.read(at, n);
    }
    Machine m = session.machine();
    long gpa = physical ? withoutCbit(m, at) : vcpu.physical(at);
    if (!isMemory(m, gpa, n)) {
      throw new IndexOutOfBoundsException("nothing is at 0x" + Long.toHexString(at));
    }
    if (!guest) {
      return m.observer().readBus(gpa, n);
    }
    boolean isPrivate = physical && gpa != at;
    return isPrivate ? m.observer().readPrivate(gpa, n) : m.observer().readAsTouched(gpa, n);
  }

  /**
   * {@return a guest physical address without its C-bit} Page tables and CR3 have the bit in their
   * addresses, and who walks them by reading memory has it in those that it asks for: what it is
   * set in is private, as it is to the guest.
   */
  public static long withoutCbit(Machine m, long address) {
    int bit = m.cBit();
    return bit < 0 ? address : address & ~(1L << bit);
  }

  /** {@return whether a range lies in RAM, or in firmware, which ends at 4 GiB} */
  static boolean isMemory(Machine m, long gpa, long bytes) {
    MachineSpec.Firmware f = m.spec().boot().firmware();
    long firmware = f == null ? 0 : f.code().length + f.variables().length;
    return m.hostView().contains(gpa, bytes)
        || gpa >= GuestRam.FOUR_GIB - firmware && gpa <= GuestRam.FOUR_GIB - bytes;
  }
}
