package dev.vesper.machine.device.acpi;

import static dev.vesper.machine.device.acpi.Aml.and;
import static dev.vesper.machine.device.acpi.Aml.configurationBytes;
import static dev.vesper.machine.device.acpi.Aml.device;
import static dev.vesper.machine.device.acpi.Aml.dwordField;
import static dev.vesper.machine.device.acpi.Aml.eisaId;
import static dev.vesper.machine.device.acpi.Aml.giveBack;
import static dev.vesper.machine.device.acpi.Aml.integer;
import static dev.vesper.machine.device.acpi.Aml.interrupts;
import static dev.vesper.machine.device.acpi.Aml.isaInterrupt;
import static dev.vesper.machine.device.acpi.Aml.join;
import static dev.vesper.machine.device.acpi.Aml.method;
import static dev.vesper.machine.device.acpi.Aml.name;
import static dev.vesper.machine.device.acpi.Aml.or;
import static dev.vesper.machine.device.acpi.Aml.packageOf;
import static dev.vesper.machine.device.acpi.Aml.ports;
import static dev.vesper.machine.device.acpi.Aml.ref;
import static dev.vesper.machine.device.acpi.Aml.resources;
import static dev.vesper.machine.device.acpi.Aml.scope;
import static dev.vesper.machine.device.acpi.Aml.store;
import static dev.vesper.machine.device.acpi.Aml.when;

import dev.vesper.machine.device.AcpiPm;
import dev.vesper.machine.device.Hpet;
import dev.vesper.machine.device.pci.PirqRouter;
import java.util.ArrayList;
import java.util.List;

/** The differentiated description of a board: its PCI bus, ISA devices, and sleeping states. */
final class Dsdt {
  private static final int DEVICES = 32;
  private static final int DISABLED = 0x80;
  private static final String PINS = "ABCD";

  private Dsdt() {}

  static byte[] of(Board b) {
    byte[] sleep = state("\\_S5_", AcpiPm.SOFT_OFF);
    if (b.sleeps()) {
      // Nothing has to be told beforehand, and nothing afterwards.
      sleep =
          join(
              sleep,
              state("\\_S3_", AcpiPm.SUSPEND),
              state("\\_S4_", AcpiPm.HIBERNATE),
              method("\\_PTS", 1),
              method("\\_WAK", 1, giveBack(packageOf(integer(0), integer(0)))));
    }
    byte[] mode =
        join(name("\\PICF", integer(0)), method("\\_PIC", 1, store(Aml.ARG0, ref("PICF"))));
    return join(sleep, mode, scope("\\_SB", bridge(b), hpet(), reserved(b)));
  }

  /** A sleeping state: what SLP_TYP is for it in both control registers. */
  private static byte[] state(String name, int type) {
    return name(name, packageOf(integer(type), integer(type), integer(0), integer(0)));
  }

  private static byte[] bridge(Board b) {
    byte[] id =
        b.express()
            ? join(name("_HID", eisaId("PNP0A08")), name("_CID", eisaId("PNP0A03")))
            : name("_HID", eisaId("PNP0A03"));
    List<byte[]> links = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      links.add(link(i));
    }
    return device(
        "PCI0",
        id,
        name("_ADR", integer(0)),
        name("_BBN", integer(0)),
        name("_UID", integer(0)),
        name("_CRS", windows(b)),
        isa(b),
        join(links.toArray(new byte[0][])),
        method(
            "_PRT", 0, when(ref("PICF"), giveBack(routes(b, true))), giveBack(routes(b, false))));
  }

  private static byte[] windows(Board b) {
    List<byte[]> l = new ArrayList<>();
    l.add(Aml.busWindow(b.express() ? b.buses() - 1 : 255));
    l.add(ports(0xCF8, 8));
    l.add(Aml.portWindow(0, 0xCF7));
    l.add(Aml.portWindow(0xD00, 0xFFFF));
    l.add(Aml.memoryWindow(0xA_0000, 0xB_FFFF));
    long from = Math.max(b.ram().below4G(), Board.WINDOW_START);
    long ecamEnd = b.ecam() + ((long) b.buses() << 20);
    if (b.express() && b.ecam() != 0 && b.ecam() < Board.WINDOW_END && ecamEnd > from) {
      if (b.ecam() > from) {
        l.add(Aml.memoryWindow(from, b.ecam() - 1));
      }
      from = ecamEnd;
    }
    if (from < Board.WINDOW_END) {
      l.add(Aml.memoryWindow(from, Board.WINDOW_END - 1));
    }
    long wide = b.wideWindowStart();
    l.add(Aml.wideMemoryWindow(wide, wide + b.wideWindowBytes() - 1));
    return resources(l.toArray(new byte[0][]));
  }

  /** The ISA bridge with what is behind it, and the bytes that route interrupts. */
  private static byte[] isa(Board b) {
    return device(
        "ISA_",
        name("_ADR", integer((long) b.isaBridge() << 16)),
        configurationBytes("PIRQ", b.routes(), "PRQA", "PRQB", "PRQC", "PRQD"),
        simple("RTC_", "PNP0B00", ports(0x70, 2), isaInterrupt(8)),
        simple("KBD_", "PNP0303", ports(0x60, 1), ports(0x64, 1), isaInterrupt(1)),
        simple("MOU_", "PNP0F13", isaInterrupt(12)),
        simple("COM1", "PNP0501", ports(0x3F8, 8), isaInterrupt(4)));
  }

  private static byte[] simple(String name, String id, byte[]... what) {
    return device(
        name, name("_HID", eisaId(id)), name("_UID", integer(1)), name("_CRS", resources(what)));
  }

  /** A PIRQ as a device whose interrupt can be chosen. */
  private static byte[] link(int n) {
    byte[] route = ref("\\_SB.PCI0.ISA.PRQ" + PINS.charAt(n));
    byte[] choices = resources(interrupts(5, 10, 11));
    return device(
        "LNK" + PINS.charAt(n),
        name("_HID", eisaId("PNP0C0F")),
        name("_UID", integer(n)),
        name("_PRS", choices),
        method(
            "_STA",
            0,
            when(and(route, integer(DISABLED), Aml.NO_TARGET), giveBack(integer(9))),
            giveBack(integer(11))),
        method("_DIS", 0, or(route, integer(DISABLED), route)),
        method(
            "_CRS",
            0,
            store(resources(interrupts(0)), Aml.LOCAL0),
            dwordField(Aml.LOCAL0, 5, "IRQ_"),
            and(route, integer(15), ref("IRQ_")),
            giveBack(Aml.LOCAL0)),
        method("_SRS", 1, dwordField(Aml.ARG0, 5, "IRQ_"), store(ref("IRQ_"), route)));
  }

  private static byte[] routes(Board b, boolean apic) {
    byte[][] all = new byte[DEVICES][];
    for (int d = 0; d < DEVICES; d++) {
      int pirq = PirqRouter.pirqOf(d);
      all[d] =
          packageOf(
              integer((long) d << 16 | 0xFFFF),
              integer(0),
              apic ? integer(0) : ref("LNK" + PINS.charAt(pirq)),
              integer(apic ? b.firstInput() + pirq : 0));
    }
    return packageOf(all);
  }

  private static byte[] hpet() {
    return simple("HPET", "PNP0103", Aml.memory(Hpet.BASE, Hpet.LENGTH));
  }

  /** Addresses that are neither RAM nor free for devices. */
  private static byte[] reserved(Board b) {
    byte[] pm = ports(b.pmBase(), AcpiPm.LENGTH);
    return device(
        "MBRD",
        name("_HID", eisaId("PNP0C02")),
        name("_UID", integer(1)),
        name(
            "_CRS",
            b.express() && b.ecam() != 0
                ? resources(pm, Aml.memory(b.ecam(), (long) b.buses() << 20))
                : resources(pm)));
  }
}
