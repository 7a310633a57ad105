package dev.vesper.machine.boot;

import dev.vesper.machine.device.smbios.SmbiosTables;
import dev.vesper.machine.memory.HostView;
import java.util.Arrays;

/**
 * The SMBIOS tables that a BIOS leaves for a kernel below 1 MiB. They are part of the launch, and
 * so private.
 */
public final class SmbiosRemains {
  private SmbiosRemains() {}

  /**
   * Writes the tables beside a guest that is loaded; {@return the guest with them}
   *
   * @param tables entry point and structures
   * @throws dev.vesper.machine.spec.BootException if there is no memory for them
   */
  public static LoadedGuest place(LoadedGuest guest, byte[] tables, HostView view)
      throws dev.vesper.machine.spec.BootException {
    GuestWriter w = new GuestWriter(view, view.ram().below4G());
    byte[] pages = Arrays.copyOf(tables, tables.length + 0xFFF & ~0xFFF);
    w.put("SMBIOS tables", SmbiosTables.ADDRESS, pages);
    return guest.also(w.ranges());
  }
}
