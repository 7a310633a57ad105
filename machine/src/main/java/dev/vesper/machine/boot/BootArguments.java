package dev.vesper.machine.boot;

import dev.vesper.machine.host.GuestRam;
import java.io.ByteArrayOutputStream;

/**
 * The boot arguments of an OpenBSD kernel: records of {type u32, size u32, next u32, data} (spec:
 * openbsd sections 4.2 and 6). The kernel walks them by size, which counts the header too.
 */
final class BootArguments {
  private static final int MEMMAP = 0;
  private static final int CONSDEV = 5;
  private static final int EFIINFO = 11;
  private static final int END = 0xFFFF_FFFF;
  private static final int FREE = 1;
  private static final int RESERVED = 2;
  private static final int HEADER = 12;

  /** Bytes of EFIINFO, of which all but the EFI system table's address is zero here. */
  private static final int EFI_BYTES = 100;

  private static final int SYSTEM_TABLE = 84;

  /** makedev(8, 0): com0. */
  private static final int COM0 = 0x800;

  private static final int SPEED = 115_200;
  private static final int COM1_PORT = 0x3F8;

  /** Where memory below 1 MiB ends without firmware. */
  static final long LOW_RAM_END = 640 << 10;

  private static final long MEGABYTE = 1 << 20;
  private static final long BIOS_COPY = 0xFFC0_0000L;
  private static final long BIOS_COPY_SIZE = 4 << 20;

  private BootArguments() {}

  /**
   * {@return the records}
   *
   * @param memory guest RAM
   * @param low where free memory below 1 MiB ends: what firmware has left is behind
   * @param end where memory below 4 GiB ends
   * @param systemTable address of the EFI system table, 0 for none
   */
  static byte[] build(GuestRam memory, long low, long end, long systemTable) {
    ByteArrayOutputStream map = new ByteArrayOutputStream();
    entry(map, 0, low, FREE);
    entry(map, low, MEGABYTE - low, RESERVED);
    entry(map, MEGABYTE, end - MEGABYTE, FREE);
    entry(map, BIOS_COPY, BIOS_COPY_SIZE, RESERVED);
    if (memory.above4G() > 0) {
      entry(map, GuestRam.FOUR_GIB, memory.above4G(), FREE);
    }
    entry(map, 0, 0, 0);
    ByteArrayOutputStream console = new ByteArrayOutputStream();
    number(console, COM0, 4);
    number(console, SPEED, 4);
    number(console, COM1_PORT, 8);
    // frequency, flags, register width and shift: the kernel's defaults
    console.writeBytes(new byte[16]);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    record(out, MEMMAP, map.toByteArray());
    record(out, CONSDEV, console.toByteArray());
    if (systemTable != 0) {
      byte[] efi = new byte[EFI_BYTES];
      Bytes.put(efi, SYSTEM_TABLE, 8, systemTable);
      record(out, EFIINFO, efi);
    }
    number(out, END, 4);
    return out.toByteArray();
  }

  private static void number(ByteArrayOutputStream to, long v, int bytes) {
    for (int i = 0; i < bytes; i++) {
      to.write((int) (v >> 8 * i));
    }
  }

  private static void entry(ByteArrayOutputStream to, long address, long size, int type) {
    number(to, address, 8);
    number(to, size, 8);
    number(to, type, 4);
  }

  private static void record(ByteArrayOutputStream to, int type, byte[] data) {
    number(to, type, 4);
    number(to, HEADER + data.length, 4);
    number(to, HEADER + data.length, 4);
    to.writeBytes(data);
  }
}
