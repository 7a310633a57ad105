package dev.vesper.cli.gdb;

import dev.vesper.cli.monitor.MemoryReader;
import dev.vesper.machine.Machine;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.host.HostMemory;
import java.io.ByteArrayOutputStream;

/** Memory as a client wants to see it: the guest's or the host's, by linear or physical address. */
final class GuestMemory {
  static final int PAGE = 4096;

  private final Machine machine;
  private boolean physical;
  private boolean host;

  GuestMemory(Machine machine) {
    this.machine = machine;
  }

  boolean isPhysical() {
    return physical;
  }

  void physical(boolean on) {
    physical = on;
  }

  boolean isHost() {
    return host;
  }

  /** Has memory read as a host sees it: what is private, encrypted. */
  void host(boolean on) {
    host = on;
  }

  /**
   * {@return bytes from an address on, as many as can be read}
   *
   * @throws IndexOutOfBoundsException if none can
   */
  byte[] read(VcpuView v, long address, int length) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    while (out.size() < length) {
      long at = address + out.size();
      int n = (int) Math.min(length - out.size(), PAGE - (at & PAGE - 1));
      try {
        out.writeBytes(piece(v, at, n));
      } catch (IndexOutOfBoundsException e) {
        if (out.size() == 0) {
          throw e;
        }
        break;
      }
    }
    return out.toByteArray();
  }

  /** {@return how many bytes from an address on are not there, as far as that is told at once} */
  long gap(VcpuView v, long address, long most) {
    if (!physical) {
      return v.gap(address, most);
    }
    HostMemory host = machine.hostView();
    long done = 0;
    while (done < most && !host.contains(MemoryReader.withoutCbit(machine, address + done), 1)) {
      done += PAGE - (address + done & PAGE - 1);
    }
    return Math.min(done, most);
  }

  /**
   * {@return bytes of one page}
   *
   * @throws IndexOutOfBoundsException if they cannot be read
   */
  byte[] piece(VcpuView v, long address, int n) {
    if (!physical && !host) {
      return v.read(address, n);
    }
    long gpa = physical ? MemoryReader.withoutCbit(machine, address) : v.physical(address);
    if (!machine.hostView().contains(gpa, n)) {
      throw new IndexOutOfBoundsException("0x" + Long.toHexString(address) + " is no memory");
    }
    return host
        ? machine.hostView().bytes(gpa, n)
        : gpa != address
            ? machine.observer().readPrivate(gpa, n)
            : machine.observer().readAsTouched(gpa, n);
  }

  /**
   * Writes through the guest's page tables.
   *
   * @throws IndexOutOfBoundsException if it cannot be written so
   */
  void write(VcpuView v, long address, byte[] bytes) {
    if (physical || host) {
      throw new IndexOutOfBoundsException("memory is written by the guest's addresses alone");
    }
    v.write(address, bytes);
  }
}
