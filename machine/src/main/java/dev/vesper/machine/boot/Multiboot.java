package dev.vesper.machine.boot;

import dev.vesper.machine.foreign.Damaged;
import dev.vesper.machine.foreign.ForeignBytes;
import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.sev.LaunchState;
import dev.vesper.machine.sev.VmsaField;
import dev.vesper.machine.spec.BootException;
import java.nio.charset.StandardCharsets;

/** Multiboot version 1: ELF or raw address fields, command line, one module, memory map. */
final class Multiboot {
  private static final long MAGIC = 0x1BAD_B002L;
  private static final long BOOT_MAGIC = 0x2BAD_B002L;
  private static final long INFO = 0x9_0000;
  private static final int ADDRESSES = 1 << 16;

  private Multiboot() {}

  /** {@return where the header is, or -1} */
  static long header(byte[] b) {
    ForeignBytes f = ForeignBytes.of(b);
    for (int at = 0; at + 12 <= Math.min(b.length, 8192); at += 4) {
      if (f.at(at, 4) == MAGIC && (MAGIC + f.at(at + 4, 4) + f.at(at + 8, 4) & 0xFFFF_FFFFL) == 0) {
        return at;
      }
    }
    return -1;
  }

  static LoadedGuest load(BootOptions o, GuestWriter w, long header) throws BootException {
    byte[] b = o.image();
    ForeignBytes f = ForeignBytes.of(b);
    long flags = f.at(header + 4, 4);
    if ((flags & 0xFFF8) != 0) {
      throw new BootException(
          o.name()
              + " asks for multiboot features 0x"
              + Long.toHexString(flags & 0xFFF8)
              + " that are not offered");
    }
    AcpiRemains.place(o, w);
    boolean bios = o.cBit() == 0;
    if (bios) {
      BiosRemains.place(w);
    }
    long entry;
    long end;
    if ((flags & ADDRESSES) != 0) {
      long headerAddress = f.at(header + 12, 4);
      long load = f.at(header + 16, 4);
      long loadEnd = f.at(header + 20, 4);
      long bssEnd = f.at(header + 24, 4);
      entry = f.at(header + 28, 4);
      long from = header - (headerAddress - load);
      long length = loadEnd == 0 ? b.length - from : loadEnd - load;
      requireInside(o.name(), f, from, length);
      w.put(o.name(), load, b, (int) from, (int) length);
      end = Math.max(load + length, bssEnd);
      w.require(o.name(), load, end - load);
      w.cover(o.name(), load, end - load);
    } else if (ElfImage.isElf(b)) {
      ElfImage elf = ElfImage.parse(o.name(), b);
      elf.place(w);
      entry = elf.physical(elf.entry());
      end = elf.end();
    } else {
      throw new BootException(
          o.name() + " has a multiboot header but is no ELF file and gives no addresses");
    }
    info(o, w, end);
    LaunchState s = BzImage.protectedMode();
    s.flat(0x08, 0xC9B, 0x10)
        .set(VmsaField.RIP, entry)
        .set(VmsaField.RAX, BOOT_MAGIC)
        .set(VmsaField.RBX, INFO);
    LoadedGuest g = LoadedGuest.of("multiboot", s, w.ranges());
    return bios ? g.afterBios() : g;
  }

  private static void requireInside(String name, ForeignBytes f, long from, long length)
      throws BootException {
    try {
      f.part(from, length);
    } catch (Damaged e) {
      throw new BootException(name + " is truncated: its multiboot addresses lie outside the file");
    }
  }

  private static void info(BootOptions o, GuestWriter w, long end) throws BootException {
    long line = INFO + 0x200;
    byte[] text = (o.name() + " " + o.commandLine()).trim().getBytes(StandardCharsets.UTF_8);
    if (text.length > 0x800) {
      throw new BootException("the command line is longer than 2048 bytes");
    }
    w.put(INFO, new byte[0x200]);
    w.put("the command line", line, java.util.Arrays.copyOf(text, text.length + 1));
    long flags = 1 | 4 | 0x40 | 0x200;
    w.put(INFO + 4, 4, 639);
    w.put(INFO + 8, 4, Math.max(0, w.lowEnd() - 0x10_0000) >> 10);
    w.put(INFO + 16, 4, line);
    byte[] module = o.initrd();
    if (module != null) {
      long at = end + 0xFFF & ~0xFFFL;
      w.put("the multiboot module", at, module, 0, module.length);
      flags |= 8;
      w.put(INFO + 20, 4, 1);
      w.put(INFO + 24, 4, INFO + 0x100);
      w.put(INFO + 0x100, 4, at);
      w.put(INFO + 0x104, 4, at + module.length);
      w.put(INFO + 0x108, 4, line);
    }
    long above = w.ram().above4G();
    w.put(INFO + 44, 4, above == 0 ? 48 : 72);
    w.put(INFO + 48, 4, INFO + 0x140);
    map(w, INFO + 0x140, 0, 0x9_FC00);
    map(w, INFO + 0x158, 0x10_0000, w.lowEnd() - 0x10_0000);
    if (above > 0) {
      map(w, INFO + 0x170, GuestRam.FOUR_GIB, above);
    }
    w.put(INFO + 64, 4, INFO + 0x1C0);
    w.put(INFO + 0x1C0, "Vesper\0".getBytes(StandardCharsets.US_ASCII));
    w.put(INFO, 4, flags);
  }

  private static void map(GuestWriter w, long at, long address, long length) throws BootException {
    w.put(at, 4, 20);
    w.put(at + 4, 8, address);
    w.put(at + 12, 8, length);
    w.put(at + 20, 4, 1);
  }
}
