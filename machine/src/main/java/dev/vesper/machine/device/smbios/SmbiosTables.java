package dev.vesper.machine.device.smbios;

import dev.vesper.machine.host.GuestRam;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * The SMBIOS tables of a board (DMTF DSP0134, version 2.8, with its 32-bit entry point): BIOS,
 * system, baseboard, chassis, processors, strings, memory, its modules and addresses, boot status.
 * Firmware takes table and entry point from fw_cfg; for a kernel that is entered directly both are
 * where a BIOS has them.
 */
public final class SmbiosTables {
  /** Name of the file with the structures. */
  public static final String TABLES = "etc/smbios/smbios-tables";

  /** Name of the file with the entry point, whose address firmware fills in. */
  public static final String ANCHOR = "etc/smbios/smbios-anchor";

  /** Where a BIOS has the entry point, and behind it the structures. */
  public static final long ADDRESS = 0xF_0000;

  /** Most bytes of both together: behind them a BIOS has its handlers. */
  public static final int MOST = 0xF000;

  private static final int ANCHOR_BYTES = 31;
  private static final int STRUCTURES_AT = 32;
  private static final int VERSION_MINOR = 8;

  /** The largest module: more memory is in several, as QEMU has it. */
  private static final long MODULE = 16L << 30;

  private static final String MAKER = "Vesper";

  // Handles of structures, as QEMU numbers them.
  private static final int CHASSIS = 0x300;
  private static final int MEMORY = 0x1000;
  private static final int NO_ERRORS = 0xFFFE;

  /** What a board says of itself if nobody says otherwise. */
  private final String product;

  private final Map<Integer, Map<String, String>> fields;
  private final ByteBuffer out = ByteBuffer.allocate(MOST).order(ByteOrder.LITTLE_ENDIAN);
  private int count;
  private int largest;

  /**
   * Makes the tables.
   *
   * @param product the board's name
   * @param processors how many there are
   * @param ram bytes of memory
   * @param fields what a person says, by types and QEMU's names
   * @param oemStrings strings of type 11
   * @param structures structures as they are, instead of those of their types
   * @param uuid of the machine, or null
   * @throws IllegalArgumentException if they are more than there is room for
   */
  public SmbiosTables(
      String product,
      int processors,
      GuestRam ram,
      Map<Integer, Map<String, String>> fields,
      List<String> oemStrings,
      List<byte[]> structures,
      @Nullable UUID uuid) {
    this.product = product;
    this.fields = fields;
    List<Integer> given = structures.stream().map(s -> s[0] & 0xFF).toList();
    try {
      structures.forEach(this::add);
      if (!given.contains(0) && fields.containsKey(0)) {
        bios();
      }
      if (!given.contains(1)) {
        system(uuid);
      }
      if (!given.contains(2) && fields.containsKey(2)) {
        baseboard();
      }
      if (!given.contains(3)) {
        chassis();
      }
      for (int i = 0; i < processors && !given.contains(4); i++) {
        processor(i);
      }
      if (!given.contains(11) && !oemStrings.isEmpty()) {
        strings(oemStrings);
      }
      memory(given, ram);
      if (!given.contains(32)) {
        new Structure(32, 0x2000, 11).end();
      }
      new Structure(127, 0x7F00, 4).end();
    } catch (java.nio.BufferOverflowException e) {
      throw new IllegalArgumentException(
          "the SMBIOS tables would have more than " + MOST + " bytes", e);
    }
  }

  private void add(byte[] structure) {
    out.put(structure);
    count++;
    largest = Math.max(largest, structure.length);
  }

  /** {@return the structures} */
  public byte[] tables() {
    return Arrays.copyOf(out.array(), out.position());
  }

  /**
   * {@return the entry point}
   *
   * @param address of the structures, 0 for firmware to fill in
   */
  public byte[] anchor(long address) {
    byte[] b = new byte[ANCHOR_BYTES];
    ByteBuffer a = ByteBuffer.wrap(b).order(ByteOrder.LITTLE_ENDIAN);
    a.put(0, ascii("_SM_")).put(5, (byte) ANCHOR_BYTES).put(6, (byte) 2);
    a.put(7, (byte) VERSION_MINOR).putShort(8, (short) largest).put(16, ascii("_DMI_"));
    a.putShort(22, (short) out.position()).putInt(24, (int) address).putShort(28, (short) count);
    a.put(30, (byte) (2 << 4 | VERSION_MINOR));
    b[21] = sum(b, 16, ANCHOR_BYTES);
    b[4] = sum(b, 0, ANCHOR_BYTES);
    return b;
  }

  /** {@return entry point and structures as they are from {@link #ADDRESS} on} */
  public byte[] placed() {
    byte[] b = new byte[STRUCTURES_AT + out.position()];
    System.arraycopy(anchor(ADDRESS + STRUCTURES_AT), 0, b, 0, ANCHOR_BYTES);
    System.arraycopy(out.array(), 0, b, STRUCTURES_AT, out.position());
    return b;
  }

  /** {@return what makes a range add up to 0} */
  private static byte sum(byte[] b, int from, int to) {
    int s = 0;
    for (int i = from; i < to; i++) {
      s += b[i];
    }
    return (byte) -s;
  }

  private static byte[] ascii(String s) {
    return s.getBytes(StandardCharsets.ISO_8859_1);
  }

  // ---- structures

  /** A structure: its fields, then its strings, which fields name by their numbers. */
  private final class Structure {
    private final int type;
    private final ByteBuffer b;
    private final List<String> strings = new ArrayList<>();

    Structure(int type, int handle, int length) {
      this.type = type;
      b = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
      b.put((byte) type).put((byte) length).putShort((short) handle);
    }

    Structure number(int at, int bytes, long v) {
      for (int i = 0; i < bytes; i++) {
        b.put(at + i, (byte) (v >> 8 * i));
      }
      return this;
    }

    /** Puts a string that a person may have given by a name. */
    Structure string(int at, String key, String otherwise) {
      return string(at, field(type, key, otherwise));
    }

    Structure string(int at, String s) {
      if (!s.isEmpty()) {
        strings.add(s);
        b.put(at, (byte) strings.size());
      }
      return this;
    }

    void end() {
      int length = b.capacity() + strings.stream().mapToInt(s -> s.length() + 1).sum();
      ByteBuffer all = ByteBuffer.allocate(length + (strings.isEmpty() ? 2 : 1));
      all.put(b.array());
      strings.forEach(s -> all.put(ascii(s)).put((byte) 0));
      add(all.array());
    }
  }

  private String field(int type, String key, String otherwise) {
    return fields.getOrDefault(type, Map.of()).getOrDefault(key, otherwise);
  }

  private long number(int type, String key, long otherwise) {
    return Long.decode(field(type, key, Long.toString(otherwise)));
  }

  private void bios() {
    String[] release = field(0, "release", "0.0").split("\\.", -1);
    int virtual = 1 << 4;
    int targeted = 1 << 2;
    int uefi = field(0, "uefi", "off").equals("on") ? 1 << 3 : 0;
    new Structure(0, 0, 24)
        .string(4, "vendor", MAKER)
        .string(5, "version", "")
        .number(6, 2, 0xE800)
        .string(8, "date", "")
        // Characteristics are not supported, but for those that follow.
        .number(10, 8, 1 << 3)
        .number(19, 1, targeted | virtual | uefi)
        .number(20, 1, Long.parseLong(release[0]))
        .number(21, 1, Long.parseLong(release[1]))
        .number(22, 2, 0xFFFF)
        .end();
  }

  private void system(@Nullable UUID machine) {
    String given = field(1, "uuid", "");
    UUID uuid = given.isEmpty() ? machine : UUID.fromString(given);
    Structure s =
        new Structure(1, 0x100, 27)
            .string(4, "manufacturer", MAKER)
            .string(5, "product", product)
            .string(6, "version", "1")
            .string(7, "serial", "")
            // By the power switch.
            .number(24, 1, 6)
            .string(25, "sku", "")
            .string(26, "family", "");
    if (uuid != null) {
      // The first three parts are little-endian.
      long high = uuid.getMostSignificantBits();
      s.number(8, 4, high >>> 32).number(12, 2, high >>> 16).number(14, 2, high);
      s.number(16, 8, Long.reverseBytes(uuid.getLeastSignificantBits()));
    }
    s.end();
  }

  private void baseboard() {
    new Structure(2, 0x200, 15)
        .string(4, "manufacturer", MAKER)
        .string(5, "product", product)
        .string(6, "version", "1")
        .string(7, "serial", "")
        .string(8, "asset", "")
        // A hosting board, a motherboard.
        .number(9, 1, 1)
        .string(10, "location", "")
        .number(11, 2, CHASSIS)
        .number(13, 1, 10)
        .end();
  }

  private void chassis() {
    new Structure(3, CHASSIS, 22)
        .string(4, "manufacturer", MAKER)
        .number(5, 1, 1)
        .string(6, "version", "1")
        .string(7, "serial", "")
        .string(8, "asset", "")
        // Boot, power supply and temperature are safe; security is unknown.
        .number(9, 4, 0x0203_0303)
        .string(21, "sku", "")
        .end();
  }

  private void processor(int n) {
    new Structure(4, 0x400 + n, 42)
        .string(4, field(4, "sock_pfx", "CPU") + " " + n)
        // A central processor of another family.
        .number(5, 2, 0x0103)
        .string(7, "manufacturer", MAKER)
        .number(8, 8, number(4, "processor-id", 0))
        .string(16, "version", "1")
        .number(20, 2, number(4, "max-speed", 1000))
        .number(22, 2, number(4, "current-speed", 1000))
        // There, and enabled.
        .number(24, 1, 0x41)
        .number(25, 1, 1)
        // No caches are described.
        .number(26, 6, -1)
        .string(32, "serial", "")
        .string(33, "asset", "")
        .string(34, "part", "")
        .number(35, 3, 0x01_0101)
        .number(38, 2, 2)
        .number(40, 2, 1)
        .end();
  }

  private void strings(List<String> all) {
    Structure s = new Structure(11, 0xE00, 5).number(4, 1, all.size());
    all.forEach(t -> s.strings.add(t));
    s.end();
  }

  /** The memory, its modules, and where it is. */
  private void memory(List<Integer> given, GuestRam ram) {
    int modules = (int) ((ram.bytes() + MODULE - 1) / MODULE);
    if (!given.contains(16)) {
      new Structure(16, MEMORY, 23)
          // Elsewhere, system memory, multi-bit ECC.
          .number(4, 3, 0x06_0301)
          .number(7, 4, ram.bytes() >> 10)
          .number(11, 2, NO_ERRORS)
          .number(13, 2, modules)
          .end();
    }
    for (int i = 0; i < modules && !given.contains(17); i++) {
      new Structure(17, 0x1100 + i, 40)
          .number(4, 2, MEMORY)
          .number(6, 2, NO_ERRORS)
          // Widths are unknown.
          .number(8, 4, -1)
          .number(12, 2, Math.min(MODULE, ram.bytes() - i * MODULE) >> 20)
          // A DIMM of RAM.
          .number(14, 1, 9)
          .string(16, field(17, "loc_pfx", "DIMM") + " " + i)
          .string(17, "bank", "")
          .number(18, 1, 7)
          .number(19, 2, 2)
          .number(21, 2, number(17, "speed", 0))
          .string(23, "manufacturer", MAKER)
          .string(24, "serial", "")
          .string(25, "asset", "")
          .string(26, "part", "")
          .number(32, 2, number(17, "speed", 0))
          .end();
    }
    if (!given.contains(19)) {
      addresses(0x1300, 0, ram.below4G());
      if (ram.above4G() > 0) {
        addresses(0x1301, GuestRam.FOUR_GIB, ram.above4G());
      }
    }
  }

  /** A part of memory by its first and last KiB. */
  private void addresses(int handle, long address, long bytes) {
    new Structure(19, handle, 31)
        .number(4, 4, address >> 10)
        .number(8, 4, (address + bytes >> 10) - 1)
        .number(12, 2, MEMORY)
        .number(14, 1, 1)
        .end();
  }
}
