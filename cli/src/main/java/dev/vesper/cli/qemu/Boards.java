package dev.vesper.cli.qemu;

import java.util.List;

/** {@code -machine} and {@code -accel}. */
final class Boards {
  private static final String LIST =
      """
      minimal  8259, 8254, COM1 and a clock; no tables
      pc       i440FX and PIIX (aliases: pc-i440fx-VERSION)
      q35      Q35 and ICH9 (aliases: pc-q35-VERSION)
      """;

  /** What a board has or has not whatever is said of it. */
  private static final List<String> FIXED =
      List.of(
          "kernel-irqchip",
          "kernel_irqchip",
          "smm",
          "vmport",
          "usb",
          "graphics",
          "hpet",
          "i8042",
          "pic",
          "pit",
          "sata",
          "smbus",
          "nvdimm",
          "acpi",
          "mem-merge",
          "dump-guest-core",
          "memory-backend",
          "suppress-vmdesc",
          "max-ram-below-4g",
          "kvm-type",
          "kvm_shadow_mem",
          "default-bus-bypass-iommu",
          "fd-bootchk",
          "smbios-entry-point-type",
          "hmat",
          "pcspk-audiodev",
          "x-oem-id");

  private final Line line;
  private final Disks disks;
  private final Protection protection;

  Boards(Line line, Disks disks, Protection protection) {
    this.line = line;
    this.disks = disks;
    this.protection = protection;
  }

  /** {@code -machine}, or {@code -M}. */
  void machine(String option, String value) {
    KeyValues k = new KeyValues(value, "type");
    String type = k.take("type");
    if (type != null && isQuestion(type)) {
      line.list(LIST);
      return;
    }
    if (type != null) {
      type(option, type);
    }
    String accelerator = k.take("accel");
    if (accelerator != null) {
      accelerator("-machine accel=" + accelerator, accelerator);
    }
    for (String key : List.of("confidential-guest-support", "memory-encryption")) {
      String id = k.take(key);
      if (id != null) {
        protection.name(id);
      }
    }
    String igvm = k.take("igvm-cfg");
    if (igvm != null) {
      protection.nameIgvm(igvm);
    }
    for (int unit = 0; unit < 2; unit++) {
      String node = k.take("pflash" + unit);
      if (node != null) {
        disks.flash(unit, node);
      }
    }
    for (String same : List.of("kernel", "initrd", "append")) {
      String v = k.take(same);
      if (v != null) {
        line.set("-" + same, v);
      }
    }
    String firmware = k.take("firmware");
    if (firmware != null) {
      line.set("-bios", firmware);
    }
    line.drop("-machine", k.takeAny(FIXED), "a board is as it is");
    line.refuseRest("-machine", k);
  }

  private void type(String option, String type) {
    if (type.startsWith("pc-q35-") || type.startsWith("pc-i440fx-")) {
      line.drop(option + " " + type + " as a version", "boards have none");
      line.set("-M", type.startsWith("pc-q35-") ? "q35" : "pc");
    } else if (List.of("microvm", "isapc", "none").contains(type)) {
      line.refuse(option + " " + type + ": there are minimal, pc and q35; use -M minimal");
    } else {
      // Those that there are, and names that none has: the option itself refuses them.
      line.set("-M", type);
    }
  }

  /** {@return whether a value asks for what there is} */
  static boolean isQuestion(String value) {
    return value.equals("help") || value.equals("?");
  }

  /** {@code -accel}: nothing here is what it names, but what QEMU's tcg does is done. */
  void accelerator(String option, String value) {
    KeyValues k = new KeyValues(value, "accel");
    String name = k.take("accel", "");
    if (isQuestion(name)) {
      line.list("tcg      guests run in software, whatever computer that is\n");
      return;
    }
    List<String> names = List.of(name.split(":"));
    if (!names.contains("tcg")) {
      if (!names.stream().allMatch(List.of("kvm", "hvf", "whpx", "nvmm", "xen")::contains)) {
        line.refuse(option + ": guests run in software, as with -accel tcg; leave it out");
        return;
      }
      line.drop(option, NOT_ACCELERATED);
    }
    String thread = k.take("thread", "single");
    if (!thread.equals("single")) {
      line.drop("-accel thread=" + thread, "processors take turns on one thread");
    }
    line.drop("-accel", k.rest(), "the translator is Vesper's own: --translator");
  }

  static final String NOT_ACCELERATED = "guests run in software, on any computer";
}
