package dev.vesper.cli.monitor;

import dev.vesper.machine.observe.DeviceState.PciFunction;
import java.util.Map;

/** What PCI functions are called, as QEMU calls them. */
final class PciNames {
  private static final int VIRTIO = 0x1AF4;
  private static final int MODERN = 0x1040;

  private static final Map<Integer, String> BY_ID =
      Map.of(
          0x8086_1237, "i440FX",
          0x8086_7000, "PIIX3",
          0x8086_7113, "PIIX4_PM",
          0x8086_29C0, "mch",
          0x8086_2918, "ICH9-LPC",
          0x8086_2922, "ich9-ahci",
          0x1234_1111, "VGA");

  /** By the type of a virtio device (virtio 1.2, chapter 5), and those that had IDs before. */
  private static final Map<Integer, String> VIRTIO_TYPES =
      Map.of(
          1, "virtio-net-pci",
          2, "virtio-blk-pci",
          3, "virtio-serial-pci",
          4, "virtio-rng-pci",
          26, "vhost-user-fs-pci");

  private static final Map<Integer, String> OLD =
      Map.of(
          0x1000, "virtio-net-pci",
          0x1001, "virtio-blk-pci",
          0x1003, "virtio-serial-pci",
          0x1005, "virtio-rng-pci");

  private static final Map<Integer, String> CLASSES =
      Map.of(
          0x0100, "SCSI controller",
          0x0106, "SATA controller",
          0x0200, "Ethernet controller",
          0x0300, "VGA controller",
          0x0600, "Host bridge",
          0x0601, "ISA bridge",
          0x0680, "Bridge",
          0x0780, "Communication controller");

  private PciNames() {}

  /** {@return the device's name} */
  static String name(PciFunction f) {
    int vendor = f.config(0, 2);
    int device = f.config(2, 2);
    if (vendor == VIRTIO) {
      String s = device >= MODERN ? VIRTIO_TYPES.get(device - MODERN) : OLD.get(device);
      return s == null ? "virtio-pci" : s;
    }
    String s = BY_ID.get(vendor << 16 | device);
    return s == null ? "pci-device" : s;
  }

  /** {@return the class in words} */
  static String classOf(PciFunction f) {
    int c = f.config(0x0A, 2);
    String s = CLASSES.get(c);
    return s == null ? "Class %04x".formatted(c) : s;
  }
}
