package dev.vesper.cli.qemu;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** {@code -device}. */
final class Devices {
  private static final String LIST =
      """
      virtio-blk-pci, ide-hd             with -drive if=none,id=ID
      virtio-net-pci                     with -netdev user,id=ID
      virtconsole, isa-serial            with -chardev BACKEND,id=ID
      isa-debugcon                       with -chardev BACKEND,id=ID
      VGA                                the same as -vga std
      pc-testdev                         test device of ports, interrupt lines and memory
      isa-debug-exit,iobase=0xf4,iosize=0x4  is there always
      """;

  private static final String OPTION = "-device";

  /** Keys that place a device, or choose what virtio 1.2 devices are anyway. */
  private static final List<String> PLACES =
      List.of(
          "id",
          "bus",
          "addr",
          "multifunction",
          "disable-legacy",
          "disable-modern",
          "iommu_platform",
          "ats",
          "romfile",
          "rombar",
          "acpi-index",
          "event_idx",
          "indirect_desc");

  private final Line line;
  private final Disks disks;
  private final Networks networks;
  private final Consoles consoles;

  Devices(Line line, Disks disks, Networks networks, Consoles consoles) {
    this.line = line;
    this.disks = disks;
    this.networks = networks;
    this.consoles = consoles;
  }

  /** Refuses what is left of a device's keys and says something. */
  static void refuseRest(Line line, String model, KeyValues k) {
    k.ignore(PLACES);
    line.refuseRest(OPTION + " " + model, k);
  }

  /** A device by its model. */
  void device(String value) {
    KeyValues k = new KeyValues(value.replace(" ", ""), "driver");
    String model = k.take("driver", "");
    switch (model) {
      case "help", "?" -> line.list(LIST);
      case "pc-testdev" -> line.add(OPTION, value);
      case "isa-debug-exit" -> exit(value, k);
      case "virtio-blk-pci", "virtio-blk", "virtio-blk-pci-non-transitional" ->
          disks.device(model, "virtio", k);
      case "ide-hd", "ide-drive", "ide-cd" -> disks.device(model, "ide", k);
      case "scsi-hd", "scsi-cd", "scsi-block", "scsi-disk", "nvme", "usb-storage", "sd-card" ->
          disks.device(model, "", k);
      case "floppy", "isa-fdc" -> disks.floppy("-device " + model);
      case "isa-serial", "pci-serial" -> consoles.serial(console(model, k));
      case "virtconsole", "virtserialport" -> consoles.virtio(console(model, k));
      case "isa-debugcon" -> debug(model, k);
      case "VGA", "vga" -> line.set("-vga", "std");
      default -> other(model, k);
    }
  }

  private static String console(String model, KeyValues k) {
    return Consoles.named(k.take("chardev", model));
  }

  private void exit(String value, KeyValues k) {
    String base = k.take("iobase", "0x501").toLowerCase(Locale.ROOT);
    k.ignore(List.of("iosize", "id"));
    if (base.equals("0xf4")) {
      line.add(OPTION, "isa-debug-exit,iobase=0xf4,iosize=0x4");
    } else {
      line.refuse("-device %s: the port is at 0xf4; write iobase=0xf4".formatted(value));
    }
    line.refuseRest("-device isa-debug-exit", k);
  }

  private void debug(String model, KeyValues k) {
    String base = k.take("iobase", "0xe9");
    if (!List.of("0xe9", "0x402", "1026", "233").contains(base.toLowerCase(Locale.ROOT))) {
      line.refuse("-device isa-debugcon,iobase=" + base + ": the ports are 0xe9 and 0x402");
    }
    consoles.debug(console(model, k));
  }

  /** Devices by the beginning of their names, and why they change nothing. */
  private static final Map<String, String> HARMLESS = new LinkedHashMap<>();

  /** Devices by the beginning of their names, and what there is instead. */
  private static final Map<String, String> REFUSED = new LinkedHashMap<>();

  private static final List<String> ADAPTERS =
      List.of(
          "virtio-net", "e1000", "rtl8139", "ne2k", "vmxnet", "pcnet", "i825", "igb", "usb-net");

  static {
    String idle = "no window is there to use it";
    for (String m :
        List.of("usb-tablet", "usb-mouse", "usb-kbd", "virtio-tablet", "virtio-mouse")) {
      HARMLESS.put(m, idle);
    }
    HARMLESS.put("virtio-keyboard", idle);
    HARMLESS.put("virtio-input", idle);
    String bridge = "devices hang on the board's own buses";
    for (String m :
        List.of("pcie-", "pci-bridge", "ioh3420", "pxb", "virtio-serial", "virtio-scsi", "ahci")) {
      HARMLESS.put(m, bridge);
    }
    for (String m : List.of("qemu-xhci", "nec-usb", "ich9-usb", "piix3-usb", "piix4-usb", "usb-")) {
      HARMLESS.put(m, "nothing hangs on USB");
    }
    HARMLESS.put("virtio-rng", "RDRAND and keys follow from --seed");
    HARMLESS.put("virtio-balloon", "memory that is not touched takes none");
    HARMLESS.put("pvpanic", "a guest that gives up ends the run anyway");
    for (String m :
        List.of("intel-hda", "ich9-intel-hda", "hda-", "AC97", "sb16", "virtio-sound")) {
      HARMLESS.put(m, "there is no sound");
    }
    for (String m : List.of("virtio-9p", "vhost-user-fs", "vhost-user-fs-pci")) {
      REFUSED.put(m, "use --share path=DIR,tag=TAG, which is virtiofs");
    }
    for (String m :
        List.of("virtio-vga", "virtio-gpu", "qxl", "bochs-display", "cirrus", "vmware")) {
      REFUSED.put(m, "the screen is -vga std; --screenshot F.png shows it");
    }
    REFUSED.put("vfio", "the computer's devices are out of reach");
    REFUSED.put("vhost", "the computer's kernel does no work for guests; use virtio devices");
    REFUSED.put("loader", "images are loaded by -kernel, -initrd and -bios");
  }

  private void other(String model, KeyValues k) {
    String option = OPTION + " " + model;
    if (ADAPTERS.stream().anyMatch(model::startsWith)) {
      networks.device(model, k);
      return;
    }
    for (Map.Entry<String, String> e : REFUSED.entrySet()) {
      if (model.startsWith(e.getKey())) {
        line.refuse(option + ": " + e.getValue());
        return;
      }
    }
    for (Map.Entry<String, String> e : HARMLESS.entrySet()) {
      if (model.startsWith(e.getKey())) {
        line.drop(option, e.getValue());
        return;
      }
    }
    line.refuse(option + ": there is no such device; 'vesper run -device help' lists them");
  }
}
