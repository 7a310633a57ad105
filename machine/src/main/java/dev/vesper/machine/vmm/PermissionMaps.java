package dev.vesper.machine.vmm;

import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.sev.Vmcb;
import java.util.Arrays;

/**
 * An MSR permission map (8 KiB) followed by an I/O permission map (12 KiB) in which everything is
 * intercepted until it is opened (spec: sev-es-architecture 5.2).
 */
final class PermissionMaps {
  private static final int MSR_MAP_BYTES = 2 * Page.SIZE;

  private final byte[] maps = new byte[5 * Page.SIZE];

  PermissionMaps() {
    Arrays.fill(maps, (byte) 0xFF);
  }

  /** Lets the guest reach an MSR without an exit. */
  void open(int msr, boolean read, boolean write) {
    int base = msr >>> 30 == 0 ? 0 : (msr >>> 16) == 0xC000 ? 0x800 : 0x1000;
    int bit = (msr & 0x1FFF) * 2;
    int mask = (read ? 1 : 0) | (write ? 2 : 0);
    maps[base + (bit >> 3)] &= (byte) ~(mask << (bit & 7));
  }

  /** Writes the maps to five host pages and names them in a VMCB. */
  void install(Vmcb v, HostView memory, long address) {
    memory.write(address, maps, 0, maps.length);
    v.set(Vmcb.MSRPM_BASE, address);
    v.set(Vmcb.IOPM_BASE, address + MSR_MAP_BYTES);
  }
}
