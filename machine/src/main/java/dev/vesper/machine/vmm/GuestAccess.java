package dev.vesper.machine.vmm;

import dev.vesper.machine.device.LocalApic;

/**
 * Ports and memory-mapped registers as a vCPU's host reads and writes them, and the time it takes.
 */
final class GuestAccess {
  /**
   * Virtual time that a device takes to answer, as on a real bus: a guest that polls a timer in a
   * delay loop gets there in tens of rounds, not in thousands.
   */
  private static final long DEVICE_ACCESS = 1_000L;

  /** What the last of many reads of a timer in a tight loop takes. */
  private static final long LONGEST_TIMER_READ = 25_000L;

  /** A read of a timer this soon after another one is part of a loop. */
  private static final long TIGHT_LOOP = 2_000L;

  private final Hypervisor host;

  GuestAccess(Hypervisor host) {
    this.host = host;
  }

  private static void waitForDevice(HostVcpu v) {
    v.cpu.idleUntil(v.cpu.now() + DEVICE_ACCESS);
  }

  /**
   * A guest that reads ACPI's timer again and again only wants time to pass: the longer it does,
   * the longer a read takes, up to a fortieth of a millisecond.
   */
  private static void waitForTimer(HostVcpu v) {
    long now = v.cpu.now();
    boolean loop = now - v.timerRead < TIGHT_LOOP;
    v.timerWait =
        loop ? Math.min(LONGEST_TIMER_READ, v.timerWait + v.timerWait / 16) : DEVICE_ACCESS;
    v.cpu.idleUntil(now + v.timerWait);
    v.timerRead = v.cpu.now();
  }

  /** Reads a port for a vCPU, 1, 2 or 4 bytes. */
  int readPort(HostVcpu v, int port, int bytes) {
    if (port == host.platform.timerPort()) {
      waitForTimer(v);
    } else {
      waitForDevice(v);
    }
    return host.program().platform().port(port, bytes, host.platform.ports.read(port, bytes));
  }

  /** Writes a port for a vCPU. */
  void writePort(HostVcpu v, int port, int bytes, int value) {
    waitForDevice(v);
    host.platform.ports.write(port, bytes, value);
  }

  /** Reads the local APIC of a vCPU or the empty bus, 1 to 8 bytes. */
  long readMmio(HostVcpu v, long gpa, int bytes) {
    LocalApic a = v.apic;
    if (a != null && a.covers(gpa)) {
      if (!a.enabled() || a.x2Mode()) {
        return -1L >>> 64 - 8 * bytes;
      }
      int r = a.read((int) gpa & 0xFF0, v.cpu.now());
      return (r & 0xFFFF_FFFFL) >>> 8 * ((int) gpa & 3) & -1L >>> 64 - 8 * bytes;
    }
    waitForDevice(v);
    return host.program().platform().memory(gpa, bytes, host.platform.mmio.read(gpa, bytes));
  }

  /** Writes to the local APIC of a vCPU or the empty bus. */
  void writeMmio(HostVcpu v, long gpa, int bytes, long value) {
    LocalApic a = v.apic;
    if (a != null && a.covers(gpa)) {
      if (a.enabled() && !a.x2Mode() && bytes == 4 && (gpa & 15) == 0) {
        a.write((int) gpa & 0xFF0, (int) value, v.cpu.now());
      }
      return;
    }
    waitForDevice(v);
    host.platform.mmio.write(gpa, bytes, value);
  }
}
