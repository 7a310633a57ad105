package dev.vesper.machine.device.acpi;

import dev.vesper.machine.device.AcpiPm;
import dev.vesper.machine.device.Hpet;
import dev.vesper.machine.device.IoApic;
import dev.vesper.machine.device.LocalApic;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The ACPI tables of a board (ACPI 6.4, 5.2): FACS, DSDT, FADT, MADT, HPET, for PCI Express MCFG,
 * RSDT and XSDT, and apart from them the RSDP. They are either linked for an address, or handed to
 * firmware with the script by which it links them (QEMU, docs/specs/acpi_*; OVMF and SeaBIOS run
 * it).
 */
public final class AcpiTables {
  /** Name of the file with the tables. */
  public static final String TABLES = "etc/acpi/tables";

  /** Name of the file with the RSDP. */
  public static final String RSDP = "etc/acpi/rsdp";

  /** Name of the file with the script. */
  public static final String LOADER = "etc/table-loader";

  private static final int SCI = 9;
  private static final int FADT_BYTES = 244;
  private static final int RSDP_BYTES = 36;
  private static final int SCRIPT_ENTRY = 128;

  /** A pointer into the tables: from the tables themselves, or from the RSDP. */
  private record Pointer(boolean fromRsdp, int at, int bytes) {}

  /** A sum that makes a range add up to 0. */
  private record Sum(boolean inRsdp, int at, int start, int length) {}

  private final ByteBuffer tables = ByteBuffer.allocate(1 << 16).order(ByteOrder.LITTLE_ENDIAN);
  private final ByteBuffer rsdp = ByteBuffer.allocate(RSDP_BYTES).order(ByteOrder.LITTLE_ENDIAN);
  private final List<Pointer> pointers = new ArrayList<>();
  private final List<Sum> sums = new ArrayList<>();

  /** Where the MADT begins. */
  private final int madt;

  /** Makes the tables of a board. */
  public AcpiTables(Board b) {
    int facs = facs();
    int dsdt = table("DSDT", 2, Dsdt.of(b));
    List<Integer> all = new ArrayList<>();
    all.add(fadt(b, facs, dsdt));
    madt = table("APIC", 3, madt(b));
    all.add(madt);
    all.add(table("HPET", 1, hpet()));
    if (b.express()) {
      all.add(table("MCFG", 1, mcfg(b)));
    }
    int rsdt = root("RSDT", all, 4);
    int xsdt = root("XSDT", all, 8);
    rsdp.put(ascii("RSD PTR ")).put((byte) 0).put(ascii("VESPER")).put((byte) 2);
    rsdp.putInt(rsdt).putInt(RSDP_BYTES).putLong(xsdt);
    pointers.add(new Pointer(true, 16, 4));
    pointers.add(new Pointer(true, 24, 8));
    sums.add(new Sum(true, 8, 0, 20));
    sums.add(new Sum(true, 32, 0, RSDP_BYTES));
  }

  private static byte[] ascii(String s) {
    return s.getBytes(StandardCharsets.US_ASCII);
  }

  private int facs() {
    int at = tables.position();
    tables.put(ascii("FACS")).putInt(64);
    tables.position(at + 64);
    tables.put(at + 32, (byte) 2);
    return at;
  }

  /** {@return the header of a table of so many bytes, without its sum} */
  static byte[] header(String signature, int revision, int length) {
    ByteBuffer h = ByteBuffer.allocate(36).order(ByteOrder.LITTLE_ENDIAN);
    h.put(ascii(signature)).putInt(length).put((byte) revision).put((byte) 0);
    return h.put(ascii("VESPER"))
        .put(ascii("VESPERPC"))
        .putInt(1)
        .put(ascii("VSPR"))
        .putInt(1)
        .array();
  }

  /** {@return where a table begins that has its header and body now} */
  private int table(String signature, int revision, byte[] body) {
    tables.position(tables.position() + 15 & ~15);
    int at = tables.position();
    int length = 36 + body.length;
    tables.put(header(signature, revision, length)).put(body);
    sums.add(new Sum(false, at + 9, at, length));
    return at;
  }

  private int root(String signature, List<Integer> all, int bytes) {
    ByteBuffer b = ByteBuffer.allocate(bytes * all.size()).order(ByteOrder.LITTLE_ENDIAN);
    for (int t : all) {
      if (bytes == 4) {
        b.putInt(t);
      } else {
        b.putLong(t);
      }
    }
    int at = table(signature, 1, b.array());
    for (int i = 0; i < all.size(); i++) {
      pointers.add(new Pointer(false, at + 36 + bytes * i, bytes));
    }
    return at;
  }

  /** A generic address of ports. */
  private static void portAddress(ByteBuffer t, int at, int bits, int access, long port) {
    t.put(at, (byte) 1).put(at + 1, (byte) bits).put(at + 3, (byte) access).putLong(at + 4, port);
  }

  private int fadt(Board b, int facs, int dsdt) {
    int at = table("FACP", 3, new byte[FADT_BYTES - 36]);
    ByteBuffer t = tables.slice(at, FADT_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    int pm = b.pmBase();
    t.putInt(36, facs).putInt(40, dsdt).putShort(46, (short) SCI);
    // No SMI command port: the machine is always in ACPI mode.
    t.putInt(56, pm).putInt(64, pm + AcpiPm.CONTROL).putInt(76, pm + AcpiPm.TIMER);
    t.putInt(80, pm + AcpiPm.EVENTS);
    t.put(88, (byte) 4).put(89, (byte) 2).put(91, (byte) 4).put(92, (byte) 16);
    // C2 and C3 are not to be had.
    t.putShort(96, (short) 0xFFF).putShort(98, (short) 0xFFF);
    t.put(108, (byte) 0x32);
    // Legacy devices and a keyboard controller are there.
    t.putShort(109, (short) 3);
    int wbinvd = 1;
    int c1 = 1 << 2;
    int noSleepButton = 1 << 5;
    int resetRegister = 1 << 10;
    t.putInt(112, wbinvd | c1 | noSleepButton | resetRegister);
    portAddress(t, 116, 8, 1, 0xCF9);
    t.put(128, (byte) 6);
    t.putLong(132, facs).putLong(140, dsdt);
    portAddress(t, 148, 32, 2, pm);
    portAddress(t, 172, 16, 2, pm + AcpiPm.CONTROL);
    portAddress(t, 208, 32, 3, pm + AcpiPm.TIMER);
    portAddress(t, 220, 128, 1, pm + AcpiPm.EVENTS);
    pointers.add(new Pointer(false, at + 36, 4));
    pointers.add(new Pointer(false, at + 40, 4));
    pointers.add(new Pointer(false, at + 132, 8));
    pointers.add(new Pointer(false, at + 140, 8));
    return at;
  }

  private static byte[] madt(Board b) {
    ByteBuffer t = ByteBuffer.allocate(4096).order(ByteOrder.LITTLE_ENDIAN);
    t.putInt((int) LocalApic.BASE).putInt(1);
    for (int i = 0; i < b.processors(); i++) {
      t.put((byte) 0).put((byte) 8).put((byte) i).put((byte) i).putInt(1);
    }
    t.put((byte) 1).put((byte) 12).putShort((short) 0).putInt((int) IoApic.BASE).putInt(0);
    override(t, 0, 2, 0);
    // The SCI is level-triggered, active high as everything behind this board's I/O APIC.
    override(t, SCI, SCI, 0xD);
    t.put((byte) 4).put((byte) 6).put((byte) 0xFF).putShort((short) 0).put((byte) 1);
    return Arrays.copyOf(t.array(), t.position());
  }

  private static void override(ByteBuffer t, int irq, int input, int flags) {
    t.put((byte) 2).put((byte) 10).put((byte) 0).put((byte) irq).putInt(input);
    t.putShort((short) flags);
  }

  private static byte[] hpet() {
    ByteBuffer t = ByteBuffer.allocate(20).order(ByteOrder.LITTLE_ENDIAN);
    t.putInt(Hpet.CAPABILITIES).put((byte) 0).put((byte) 64).putShort((short) 0);
    return t.putLong(Hpet.BASE).array();
  }

  private static byte[] mcfg(Board b) {
    ByteBuffer t = ByteBuffer.allocate(24).order(ByteOrder.LITTLE_ENDIAN);
    t.putLong(0).putLong(b.ecam()).putShort((short) 0).put((byte) 0);
    return t.put((byte) (b.buses() - 1)).putInt(0).array();
  }

  // ---- linked for an address

  /**
   * {@return the RSDP, and from offset 64 on the tables, for memory at an address}
   *
   * @param base guest physical, a multiple of 64 below 4 GiB
   */
  public byte[] linked(long base) {
    byte[] t = tables();
    byte[] r = rsdp.array().clone();
    ByteBuffer tb = ByteBuffer.wrap(t).order(ByteOrder.LITTLE_ENDIAN);
    ByteBuffer rb = ByteBuffer.wrap(r).order(ByteOrder.LITTLE_ENDIAN);
    int tablesBase = (int) base + 64;
    for (Pointer p : pointers) {
      ByteBuffer in = p.fromRsdp ? rb : tb;
      in.putInt(p.at, in.getInt(p.at) + tablesBase);
    }
    for (Sum s : sums) {
      byte[] in = s.inRsdp ? r : t;
      byte sum = 0;
      for (int i = 0; i < s.length; i++) {
        sum += in[s.start + i];
      }
      in[s.at] -= sum;
    }
    byte[] all = new byte[64 + t.length];
    System.arraycopy(r, 0, all, 0, r.length);
    System.arraycopy(t, 0, all, 64, t.length);
    return all;
  }

  /** {@return the MADT alone, which leads to no other table} */
  public byte[] multipleApics() {
    byte[] all = linked(0);
    int at = 64 + madt;
    int length = ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN).getInt(at + 4);
    return Arrays.copyOfRange(all, at, at + length);
  }

  // ---- for firmware

  /** {@return the tables with offsets for pointers and no sums} */
  public byte[] tables() {
    return Arrays.copyOf(tables.array(), tables.position());
  }

  /** {@return the RSDP, likewise} */
  public byte[] rsdp() {
    return rsdp.array().clone();
  }

  private static ByteBuffer entry(ByteBuffer script, int command) {
    ByteBuffer e = script.slice().order(ByteOrder.LITTLE_ENDIAN);
    script.position(script.position() + SCRIPT_ENTRY);
    return e.putInt(command);
  }

  private static void file(ByteBuffer e, String name) {
    int at = e.position();
    e.put(ascii(name));
    e.position(at + 56);
  }

  /** {@return the script: allocations, pointers, sums; 128 bytes each} */
  public byte[] loader() {
    int n = 2 + pointers.size() + sums.size();
    ByteBuffer script = ByteBuffer.allocate(n * SCRIPT_ENTRY);
    ByteBuffer e = entry(script, 1);
    file(e, RSDP);
    e.putInt(16).put((byte) 2);
    e = entry(script, 1);
    file(e, TABLES);
    e.putInt(64).put((byte) 1);
    for (Pointer p : pointers) {
      e = entry(script, 2);
      file(e, p.fromRsdp ? RSDP : TABLES);
      file(e, TABLES);
      e.putInt(p.at).put((byte) p.bytes);
    }
    for (Sum s : sums) {
      e = entry(script, 3);
      file(e, s.inRsdp ? RSDP : TABLES);
      e.putInt(s.at).putInt(s.start).putInt(s.length);
    }
    return script.array();
  }
}
