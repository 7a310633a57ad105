package dev.vesper.machine.boot;

import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.sev.LaunchState;
import dev.vesper.machine.sev.VmsaField;
import dev.vesper.machine.spec.BootException;
import java.nio.charset.StandardCharsets;

/**
 * Xen's PVH entry with hvm_start_info version 1. It cannot work under SEV: there is no #VC handler.
 */
final class Pvh {
  private static final long START_INFO = 0x9_0000;
  private static final long MAGIC = 0x336E_C578L;
  private static final long LOW_END = 0x9_FC00;

  // Types of memory, as in an E820 map.
  private static final int RAM = 1;
  private static final int RESERVED = 2;
  private static final int ACPI_TABLES = 3;

  private Pvh() {}

  static LoadedGuest load(BootOptions o, GuestWriter w, ElfImage elf) throws BootException {
    long rsdp = AcpiRemains.place(o, w);
    BiosRemains.place(w);
    elf.place(w);
    byte[] line = o.commandLine().getBytes(StandardCharsets.UTF_8);
    if (line.length > 0x7FF) {
      throw new BootException("the command line is longer than 2047 bytes");
    }
    long text = START_INFO + 0x200;
    long map = START_INFO + 0x100;
    long modules = START_INFO + 0x180;
    w.put(START_INFO, new byte[0x200]);
    w.put("the command line", text, java.util.Arrays.copyOf(line, line.length + 1));
    w.put(START_INFO, 4, MAGIC);
    w.put(START_INFO + 4, 4, 1);
    byte[] initrd = o.initrd();
    if (initrd != null) {
      long at = Math.max(0x800_0000L, elf.end() + 0xFFF & ~0xFFFL);
      if (at + initrd.length > w.lowEnd()) {
        at = w.lowEnd() - initrd.length & ~0xFFFL;
      }
      if (at < elf.end()) {
        throw new BootException(
            "the initrd does not fit above the kernel: give the guest more memory with -m");
      }
      w.put("the initrd", at, initrd, 0, initrd.length);
      w.put(START_INFO + 12, 4, 1);
      w.put(START_INFO + 16, 8, modules);
      w.put(modules, 8, at);
      w.put(modules + 8, 8, initrd.length);
    }
    w.put(START_INFO + 24, 8, text);
    w.put(START_INFO + 32, 8, rsdp);
    w.put(START_INFO + 40, 8, map);
    int entries = 0;
    entry(w, map, entries++, 0, LOW_END, RAM);
    if (rsdp != 0) {
      entry(w, map, entries++, LOW_END, 0xA_0000, RESERVED);
      entry(w, map, entries++, rsdp, AcpiRemains.END, ACPI_TABLES);
    }
    entry(w, map, entries++, 0x10_0000, w.lowEnd(), RAM);
    if (w.ram().above4G() > 0) {
      entry(w, map, entries++, GuestRam.FOUR_GIB, w.ram().end(), RAM);
    }
    w.put(START_INFO + 48, 4, entries);
    LaunchState s = BzImage.protectedMode();
    s.flat(0x08, 0xC9B, 0x10).set(VmsaField.RIP, elf.pvhEntry()).set(VmsaField.RBX, START_INFO);
    return LoadedGuest.of("PVH", s, w.ranges()).afterBios();
  }

  private static void entry(GuestWriter w, long map, int n, long from, long to, int type)
      throws BootException {
    long at = map + 24L * n;
    w.put(at, 8, from);
    w.put(at + 8, 8, to - from);
    w.put(at + 16, 4, type);
  }
}
