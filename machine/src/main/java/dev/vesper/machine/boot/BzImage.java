package dev.vesper.machine.boot;

import dev.vesper.machine.foreign.ForeignBytes;
import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.sev.LaunchState;
import dev.vesper.machine.sev.VmsaField;
import dev.vesper.machine.spec.BootException;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * Linux's bzImage by its 32-bit or 64-bit entry, without firmware (spec: platform 4.3). Everything
 * is private: boot_params at 0x10000, command line at 0x20000, page tables at 0x70000, the kernel
 * at its preferred address.
 */
final class BzImage {
  static final long BOOT_PARAMS = 0x1_0000;
  private static final long COMMAND_LINE = 0x2_0000;
  private static final long PAGE_TABLES = 0x7_0000;
  private static final long INITRD = 0x800_0000;

  private static final int RAM = 1;
  private static final int RESERVED = 2;
  private static final int ACPI_TABLES = 3;
  private static final int XLF_KERNEL_64 = 1;
  private static final int SETUP_DATA = 0x250;

  private BzImage() {}

  static LoadedGuest load(BootOptions o, GuestWriter w) throws BootException {
    byte[] b = o.image();
    ForeignBytes f = ForeignBytes.of(b);
    int version = (int) f.at(0x206, 2);
    if (version < 0x20A) {
      throw old(o, version);
    }
    int setup = (int) f.at(0x1F1, 1);
    int from = ((setup == 0 ? 4 : setup) + 1) * 512;
    long paragraphs = f.at(0x1F4, 4);
    long payload = paragraphs * 16;
    if (from >= b.length || payload > b.length - from + 15L) {
      throw new BootException(
          o.name()
              + " is truncated: the header speaks of "
              + (from + payload)
              + " bytes, the file has "
              + b.length);
    }
    boolean loadedHigh = (f.at(0x211, 1) & 1) != 0;
    if (!loadedHigh) {
      throw new BootException(o.name() + " is a zImage: only bzImages can be loaded");
    }
    long load = f.at(0x258, 8);
    long initSize = f.at(0x260, 4);
    long align = f.at(0x230, 4);
    if (load == 0 || align != 0 && (load & align - 1) != 0) {
      load = 0x100_0000;
    }
    w.require("kernel " + o.name(), load, Math.max(initSize, payload));
    boolean has64 = (f.at(0x236, 2) & XLF_KERNEL_64) != 0;
    if (!o.entry32() && !has64) {
      throw new BootException(o.name() + " has no 64-bit entry: use -entry 32");
    }
    w.put(o.name(), load, b, from, b.length - from);
    bootParams(o, w, b, load + initSize);
    LaunchState s = o.entry32() ? protectedMode() : longMode(w, o.cBit());
    s.set(VmsaField.RIP, load + (o.entry32() ? 0 : 0x200)).set(VmsaField.RSI, BOOT_PARAMS);
    LoadedGuest g =
        LoadedGuest.of("bzImage, " + (o.entry32() ? "32" : "64") + "-bit entry", s, w.ranges());
    return parked(o) ? g.withParkedAps() : g;
  }

  /**
   * Without a preferred address and what memory it needs a kernel is entered in real mode alone.
   */
  private static BootException old(BootOptions o, int version) {
    String has =
        o.name()
            + " has boot protocol "
            + (version >> 8)
            + String.format(".%02d", version & 0xFF)
            + " and is entered in real mode, which needs a BIOS: ";
    return new BootException(
        has
            + (o.cBit() == 0
                ? "give one with -bios (bios-256k.bin of Debian's package seabios)"
                : "an encrypted guest has none, use --sev off with -bios"));
  }

  /** {@return whether other processors wait where firmware has left them} */
  private static boolean parked(BootOptions o) {
    return o.acpi() != null && o.encryptedState() && o.launch().snp() == null && o.processors() > 1;
  }

  /**
   * Writes boot_params, command line and initrd.
   *
   * @param header the bzImage whose setup header is copied, or null
   * @param kernelEnd first address behind the kernel's working area
   */
  static void bootParams(BootOptions o, GuestWriter w, byte @Nullable [] header, long kernelEnd)
      throws BootException {
    byte[] page = new byte[4096];
    int limit = 2047;
    long initrdMax = 0x7FFF_FFFFL;
    if (header != null) {
      ForeignBytes f = ForeignBytes.of(header);
      int end = Math.min(0x202 + (int) f.at(0x201, 1), 0x290);
      System.arraycopy(header, 0x1F1, page, 0x1F1, Math.min(end, header.length) - 0x1F1);
      limit = (int) Math.min(f.at(0x238, 4), 0xFFFF);
      initrdMax = f.at(0x22C, 4);
    } else {
      Bytes.put(page, 0x202, 4, 0x5372_6448L);
    }
    byte[] line = o.commandLine().getBytes(StandardCharsets.UTF_8);
    if (line.length > limit) {
      throw new BootException(
          "the command line has " + line.length + " bytes, " + o.name() + " takes " + limit);
    }
    Bytes.put(page, 0x210, 1, 0xFF);
    Bytes.put(page, 0x228, 4, COMMAND_LINE);
    byte[] z = new byte[line.length + 1];
    System.arraycopy(line, 0, z, 0, line.length);
    w.put("the command line", COMMAND_LINE, z);
    byte[] initrd = o.initrd();
    if (initrd != null) {
      long at = Math.max(INITRD, kernelEnd + 0xFFF & ~0xFFFL);
      if (at + initrd.length > w.lowEnd()) {
        // A small guest: as high as it goes above the kernel.
        at = w.lowEnd() - initrd.length & ~0xFFFL;
      }
      if (at < kernelEnd || at + initrd.length - 1 > initrdMax) {
        throw new BootException(
            "the initrd of "
                + (initrd.length >> 10)
                + " KiB does not fit above the kernel in "
                + w.mebibytes()
                + " MiB: give the guest more memory with -m");
      }
      w.put("the initrd", at, initrd, 0, initrd.length);
      Bytes.put(page, 0x218, 4, at);
      Bytes.put(page, 0x21C, 4, initrd.length);
    }
    memoryMap(o, w, page);
    w.require("the boot data", 0, 0x10_0000);
    w.put("boot_params", BOOT_PARAMS, page);
  }

  /**
   * Writes the memory map, and what else firmware has left in low memory: ACPI tables, and where
   * other processors wait.
   */
  private static void memoryMap(BootOptions o, GuestWriter w, byte[] page) throws BootException {
    long lowEnd = 0x9_FC00;
    if (parked(o)) {
      FirmwareRemains.place((at, bytes) -> w.put("firmware remains", at, bytes));
      lowEnd = FirmwareRemains.BASE;
    }
    boolean snp = o.launch().snp() != null;
    if (snp) {
      lowEnd = SnpRemains.SECRETS;
      Bytes.put(page, SETUP_DATA, 8, SnpRemains.place(w));
    }
    e820(page, 0, lowEnd, RAM);
    long rsdp = AcpiRemains.place(o, w);
    if (rsdp != 0 || snp) {
      e820(page, lowEnd, 0xA_0000 - lowEnd, RESERVED);
    }
    if (rsdp != 0) {
      // Linux maps memory of this type as private, and finds the tables encrypted.
      e820(page, rsdp, AcpiRemains.END - rsdp, ACPI_TABLES);
      Bytes.put(page, 0x70, 8, rsdp);
    }
    e820(page, 0x10_0000, w.lowEnd() - 0x10_0000, RAM);
    if (w.ram().above4G() > 0) {
      e820(page, GuestRam.FOUR_GIB, w.ram().above4G(), RAM);
    }
  }

  private static void e820(byte[] page, long address, long length, int type) {
    int n = Bytes.u8(page, 0x1E8);
    int at = 0x2D0 + 20 * n;
    Bytes.put(page, at, 8, address);
    Bytes.put(page, at + 8, 8, length);
    Bytes.put(page, at + 16, 4, type);
    Bytes.put(page, 0x1E8, 1, n + 1);
  }

  /** {@return the state of a 32-bit entry: protected mode, paging off} */
  static LaunchState protectedMode() {
    return new LaunchState().flat(0x10, 0xC9B, 0x18).set(VmsaField.CR0, 0x11);
  }

  /** {@return the state of a 64-bit entry, with identity tables for 4 GiB in 2 MiB pages} */
  static LaunchState longMode(GuestWriter w, long cBit) throws BootException {
    long pml4 = PAGE_TABLES;
    long pdpt = pml4 + 0x1000;
    w.put("page tables", pml4, 8, pdpt | 3);
    w.cover("page tables", pml4, 6 * 4096);
    for (int g = 0; g < 4; g++) {
      long pd = pdpt + 0x1000 + g * 0x1000L;
      w.put("page tables", pdpt + 8L * g, 8, pd | 3);
      for (int i = 0; i < 512; i++) {
        w.put("page tables", pd + 8L * i, 8, (long) g << 30 | (long) i << 21 | 0x83 | cBit);
      }
    }
    return new LaunchState()
        .flat(0x10, 0xA9B, 0x18)
        .set(VmsaField.CR0, 0x8000_0011L)
        .set(VmsaField.CR4, 0x20)
        .set(VmsaField.CR3, pml4)
        .set(VmsaField.EFER, 0x1500);
  }
}
