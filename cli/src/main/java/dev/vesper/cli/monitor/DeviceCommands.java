package dev.vesper.cli.monitor;

import dev.vesper.machine.device.net.Network;
import dev.vesper.machine.observe.DeviceState.Bar;
import dev.vesper.machine.observe.DeviceState.PciFunction;
import dev.vesper.machine.observe.format.Visible;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import java.util.List;

/** Commands that show devices and what hangs on them. */
final class DeviceCommands {
  static final List<Command> ALL =
      List.of(
          Command.of(
              "info mtree",
              "[-f]",
              "show memory tree (-f: dump flat view for address spaces)",
              MemoryTree::show),
          Command.of("info pci", "", "show PCI info", DeviceCommands::pci),
          Command.of("info qtree", "", "show device tree", DeviceCommands::tree),
          Command.of("info block", "", "show the block devices", DeviceCommands::block),
          Command.of("info network", "", "show the network state", DeviceCommands::network),
          Command.of("info roms", "", "show roms", DeviceCommands::roms),
          Command.of("info chardev", "", "show the character devices", DeviceCommands::characters));

  private static final long MASK_64 = -1;

  private DeviceCommands() {}

  private static int subsystemVendor(PciFunction f) {
    return f.config(0x2C, 2);
  }

  private static int subsystem(PciFunction f) {
    return f.config(0x2E, 2);
  }

  private static void pci(Call c) throws Refusal {
    c.words().end();
    for (PciFunction f : c.machine().board().pci()) {
      c.line("  Bus  0, device %3d, function %d:", f.device(), f.function());
      c.line("    %s: PCI device %04x:%04x", PciNames.classOf(f), f.config(0, 2), f.config(2, 2));
      if (subsystemVendor(f) != 0) {
        c.line("      PCI subsystem %04x:%04x", subsystemVendor(f), subsystem(f));
      }
      int pin = f.config(0x3D, 1);
      if (pin != 0) {
        c.line("      IRQ %d, pin %c", f.config(0x3C, 1), (char) ('A' + pin - 1));
      }
      for (Bar b : f.bars()) {
        c.line("      " + bar(b));
      }
      c.line("      id \"\"");
    }
  }

  private static String bar(Bar b) {
    long last = b.address() + b.size() - 1;
    if (b.io()) {
      return b.address() < 0
          ? "BAR%d: I/O at 0x%x [0x%04x].".formatted(b.number(), MASK_64, last & 0xFFFF)
          : "BAR%d: I/O at 0x%04x [0x%04x].".formatted(b.number(), b.address(), last);
    }
    return "BAR%d: %d bit%s memory at 0x%08x [0x%08x]."
        .formatted(
            b.number(),
            b.wide() ? 64 : 32,
            b.wide() ? " prefetchable" : "",
            b.address(),
            b.address() < 0 && !b.wide() ? last & 0xFFFF_FFFFL : last);
  }

  private static void tree(Call c) throws Refusal {
    c.words().end();
    c.line("bus: main-system-bus");
    c.line("  type System");
    c.machine()
        .board()
        .memory()
        .forEach(
            r -> {
              if (List.of("ioapic", "hpet", "apic").contains(r.name())) {
                c.line("  dev: " + r.name() + ", id \"\"");
                c.line("    mmio %016x/%016x", r.first(), r.last() - r.first() + 1);
              }
            });
    List<PciFunction> all = c.machine().board().pci();
    if (all.isEmpty()) {
      return;
    }
    c.line("  dev: pcihost, id \"\"");
    c.line("    bus: pci.0");
    c.line("      type PCI");
    for (PciFunction f : all) {
      c.line("      dev: " + PciNames.name(f) + ", id \"\"");
      c.line("        addr = %02x.%x", f.device(), f.function());
      c.line(
          "        class %s, addr 00:%02x.%x, pci id %04x:%04x (sub %04x:%04x)",
          PciNames.classOf(f),
          f.device(),
          f.function(),
          f.config(0, 2),
          f.config(2, 2),
          subsystemVendor(f),
          subsystem(f));
      for (Bar b : f.bars()) {
        c.line(
            "        bar %d: %s at 0x%x [0x%x]",
            b.number(), b.io() ? "i/o" : "mem", b.address(), b.address() + b.size() - 1);
      }
    }
  }

  // ---- what hangs on devices

  /** {@return what a drive is called} */
  static String driveName(Hardware.Drive d, int number) {
    return (d.virtio() ? "virtio" : d.cdRom() ? "ide-cd" : "ide") + number;
  }

  private static void block(Call c) throws Refusal {
    c.words().end();
    List<Hardware.Drive> all = c.machine().spec().hardware().drives();
    for (int i = 0; i < all.size(); i++) {
      Hardware.Drive d = all.get(i);
      c.line(
          "%s%s: %d bytes%s",
          i == 0 ? "" : "\n",
          driveName(d, i),
          d.disk().sectors() * 512,
          d.disk().readOnly() ? " (read-only)" : "");
      c.line(
          "    Attached to:      /machine/peripheral-anon/device[%d]%s",
          i, d.virtio() ? "/virtio-backend" : "");
      if (d.cdRom()) {
        c.line("    Removable device: not locked, tray closed");
      }
      c.line("    Cache mode:       writeback");
    }
  }

  private static void network(Call c) throws Refusal {
    c.words().end();
    List<Network> all = c.machine().spec().hardware().networks();
    for (int i = 0; i < all.size(); i++) {
      c.line(
          "virtio-net-pci.%d: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:%02x",
          i, 0x56 + i);
      c.line(" \\ net%d: index=0,type=user,net=10.0.2.0,restrict=on", i);
    }
  }

  private static void roms(Call c) throws Refusal {
    c.words().end();
    MachineSpec.Firmware f = c.machine().spec().boot().firmware();
    if (f != null) {
      long bytes = f.code().length;
      c.line("addr=%016x size=0x%06x mem=rom name=\"bios\"", (1L << 32) - bytes, bytes);
    }
    for (Hardware.ConfigItem i : c.machine().spec().hardware().items()) {
      c.line("fw=%s size=0x%06x name=\"%s\"", i.name(), i.content().length, i.name());
    }
  }

  private static void characters(Call c) throws Refusal {
    c.words().end();
    c.control()
        .facts()
        .consoles()
        .forEach((label, place) -> c.line(label + ": filename=" + Visible.of(place)));
  }
}
