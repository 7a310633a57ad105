package dev.vesper.cli.qemu;

import dev.vesper.machine.observe.LogItem;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The table of QEMU's options (qemu-system-x86_64(1)): what each is in Vesper's words, or why it
 * changes nothing, or what there is instead.
 */
final class QemuOptions {
  /** What an option does to the line. */
  interface Effect {
    /**
     * @param option as it is written, with a dash
     * @param value behind it; empty if it takes none
     */
    void on(String option, String value);
  }

  /** An option: whether it takes a value, and what it does. */
  record Entry(boolean takesValue, Effect effect) {}

  private final Map<String, Entry> table = new HashMap<>();
  private final Line line = new Line();
  private final Disks disks = new Disks(line);
  private final Networks networks = new Networks(line);
  private final Consoles consoles = new Consoles(line);
  private final Protection protection = new Protection(line);
  private final Predicate<String> exists;
  private final List<String> folders = new ArrayList<>();
  private @Nullable String firmware;

  /**
   * @param exists whether there is a file of a name, for firmware that QEMU looks for in folders
   */
  QemuOptions(Predicate<String> exists) {
    this.exists = exists;
    same();
    hardware();
    ends();
    harmless();
    refused();
  }

  /** {@return an option by its name without dashes, null if QEMU has none of that name} */
  @Nullable Entry entry(String name) {
    return table.get(name);
  }

  Line line() {
    return line;
  }

  /** All words are read: what belongs together is put together. */
  void finish() {
    protection.finish();
    disks.finish();
    networks.finish();
    consoles.finish();
    if (firmware != null) {
      line.set("-bios", found(firmware));
    }
  }

  private void value(Effect e, String... names) {
    for (String n : names) {
      table.put(n, new Entry(true, e));
    }
  }

  private void flag(Effect e, String... names) {
    for (String n : names) {
      table.put(n, new Entry(false, e));
    }
  }

  /** Options that Vesper has too. */
  private void same() {
    for (String n : List.of("kernel", "initrd", "append", "rtc", "entry", "uuid")) {
      value((o, v) -> line.set("-" + n, v), n);
    }
    value((o, v) -> firmware = v, "bios");
    value((o, v) -> folders.add(v), "L");
    value((o, v) -> line.set("--seed", v), "seed");
    flag((o, v) -> line.flag("-snapshot"), "snapshot");
    flag((o, v) -> line.flag("-no-reboot"), "no-reboot");
    flag((o, v) -> line.flag("-no-shutdown"), "no-shutdown");
    value((o, v) -> action(new KeyValues(v, "")), "action");
    flag((o, v) -> line.add("--version"), "version");
    flag((o, v) -> line.add("--help"), "h", "help");
    value((o, v) -> line.add("-fw_cfg", v), "fw_cfg", "fw-cfg");
    value((o, v) -> line.add("-smbios", v), "smbios");
    value((o, v) -> boot(new KeyValues(v, "order")), "boot");
    value((o, v) -> log(v), "d");
    value((o, v) -> line.set("-D", v), "D");
    value((o, v) -> line.set("-loadvm", v), "loadvm");
    value((o, v) -> line.set("--sandbox", v.startsWith("on") ? "on" : v), "sandbox");
  }

  /** What is logged is named as in QEMU, and those who name what there is not are told. */
  private void log(String items) {
    if (Boards.isQuestion(items)) {
      line.list(LogItem.help());
      return;
    }
    try {
      LogItem.of(items);
    } catch (IllegalArgumentException e) {
      line.refuse("-d " + items + ": " + e.getMessage());
    }
    line.set("-d", items);
  }

  private void hardware() {
    Boards boards = new Boards(line, disks, protection);
    Processors processors = new Processors(line);
    Devices devices = new Devices(line, disks, networks, consoles);
    value(boards::machine, "machine", "M");
    value((o, v) -> boards.accelerator("-accel " + v, v), "accel");
    value((o, v) -> protection.object(v), "object");
    value((o, v) -> processors.model(v), "cpu");
    value((o, v) -> processors.count(v), "smp");
    value((o, v) -> processors.memory(v), "m", "memory");
    value((o, v) -> devices.device(v), "device");
    value(disks::drive, "drive");
    value(disks::disk, "hda", "hdb", "hdc", "hdd");
    value((o, v) -> disks.cdrom(v), "cdrom");
    value((o, v) -> disks.floppy(o + " " + v), "fda", "fdb");
    value((o, v) -> disks.node(v), "blockdev");
    value((o, v) -> networks.nic(v), "nic");
    value((o, v) -> networks.netdev(v), "netdev");
    value((o, v) -> networks.net(v), "net");
  }

  /** Where things lead that a person looks at. */
  private void ends() {
    value((o, v) -> consoles.serial(v), "serial");
    value((o, v) -> consoles.debug(v), "debugcon");
    value((o, v) -> consoles.chardev(v), "chardev");
    flag((o, v) -> consoles.nographic(), "nographic");
    flag((o, v) -> consoles.nodefaults(), "nodefaults");
    value((o, v) -> consoles.monitor("-monitor", v), "monitor");
    value((o, v) -> consoles.monitor("-qmp", v), "qmp", "qmp-pretty");
    value((o, v) -> consoles.monitor(new KeyValues(v, "chardev")), "mon");
    for (String n : List.of("parallel", "vnc", "spice")) {
      value(this::unlessNone, n);
    }
    value(this::display, "display");
    value(this::vga, "vga");
  }

  /** A picture is nowhere to be seen; what else there is is ours too. */
  private void boot(KeyValues k) {
    line.drop("-boot", k.takeAny(List.of("splash")), "firmware shows its own picture");
    for (String key : List.of("order", "once", "menu", "splash-time", "reboot-timeout", "strict")) {
      String v = k.take(key);
      if (v != null) {
        line.add("-boot", key + "=" + v);
      }
    }
    line.refuseRest("-boot", k);
  }

  /** What is done when the guest resets itself or powers off is ours too. */
  private void action(KeyValues k) {
    String reboot = k.take("reboot");
    if (reboot != null) {
      line.add("-action", "reboot=" + reboot);
    }
    String shutdown = k.take("shutdown");
    if (shutdown != null) {
      line.add("-action", "shutdown=" + shutdown);
    }
    line.drop("-action", k.rest(), "a guest that panics goes on until it ends");
  }

  private void unlessNone(String option, String value) {
    String way =
        switch (option) {
          case "-vnc", "-spice" -> "there is no window; use -vga std --screenshot F.png";
          default -> "there is no parallel port; use -serial";
        };
    if (!List.of("none", "null", "/dev/null").contains(value)) {
      line.refuse(option + " " + value + ": " + way);
    }
  }

  private void display(String option, String value) {
    if (!value.equals("none")) {
      line.refuse("-display " + value + ": there is no window; use -vga std --screenshot F.png");
    }
  }

  private void vga(String option, String value) {
    if (List.of("virtio", "qxl", "cirrus", "vmware", "tcx", "cg3", "xenfb").contains(value)) {
      line.refuse("-vga %s: the screen is -vga std; --screenshot F.png shows it".formatted(value));
    } else {
      line.set("-vga", value);
    }
  }

  /** QEMU looks for firmware without a folder in those that -L names. */
  private String found(String file) {
    if (file.indexOf('/') >= 0 || exists.test(file)) {
      return file;
    }
    for (String f : folders) {
      if (exists.test(f + "/" + file)) {
        return f + "/" + file;
      }
    }
    line.refuse(
        "-bios %s: no such file here; name its folder, as in /usr/share/seabios/%s"
            .formatted(file, file));
    return file;
  }

  private void harmlessFlag(String why, String... names) {
    flag((o, v) -> line.drop(o, why), names);
  }

  private void harmlessValue(String why, String... names) {
    value((o, v) -> line.drop(o + " " + v, why), names);
  }

  private void harmless() {
    // What is done anyway is worth no word.
    flag((o, v) -> {}, "no-kvm", "no-user-config", "no-defconfig", "no-fd-bootchk");
    harmlessFlag(Boards.NOT_ACCELERATED, "enable-kvm");
    harmlessValue("a run has no name", "name");
    harmlessValue("virtual time is one nanosecond an instruction always", "icount");
    harmlessFlag(
        "results are the same; --translator none interprets all", "singlestep", "one-insn-per-tb");
    harmlessValue("memory is Java's", "mem-path");
    harmlessFlag("memory is Java's", "mem-prealloc");
    harmlessFlag("the board's devices are as they are", "no-hpet", "usb");
    harmlessValue("messages are lines on stderr", "msg");
    harmlessValue("memory is taken when it is touched", "overcommit");
    harmlessValue("devices have no such switches", "global");
    harmlessValue("there is no sound", "audio", "audiodev", "soundhw");
    harmlessValue("there is no window", "k");
    harmlessFlag("there is no window", "no-quit", "full-screen", "alt-grab", "ctrl-grab");
    harmlessValue("the translator is Vesper's own", "tb-size");
    harmlessValue("a run is never moved", "compat");
    harmlessFlag("a run is never moved", "only-migratable");
    harmlessValue("all memory is one node", "numa");
  }

  private void no(String why, boolean takesValue, String... names) {
    for (String n : names) {
      table.put(
          n,
          new Entry(
              takesValue, (o, v) -> line.refuse(o + (v.isEmpty() ? "" : " " + v) + ": " + why)));
    }
  }

  private void refused() {
    String trace = "use -v, or --trace F.html or F.jsonl for all events";
    no(trace, true, "trace", "dfilter");
    no(
        "plugins are not loaded; --coverage F.info and --trace F.jsonl say what ran",
        true,
        "plugin");
    no("there is no window; use -vga std --screenshot F.png", false, "sdl", "curses");
    no("use --share path=DIR,tag=TAG, which is virtiofs", true, "virtfs", "fsdev");
    no("a PC has no device tree; -append speaks to the kernel", true, "dtb");
    no("use -bios OVMF.fd and a disk that has the shim", true, "shim");
    no("use 'setpriv --reuid USER vesper run ...'", true, "runas", "run-with", "chroot");
    no("use 'vesper run ... & echo $! > F'", true, "pidfile");
    no("use 'vesper run ... &'", false, "daemonize");
    no("a run starts at its beginning; --seed makes it the same each time", true, "incoming");
    no("the board makes its ACPI tables itself; -M minimal has none", true, "acpitable");
    no("the board makes its ACPI tables itself; -M minimal has none", false, "no-acpi");
    no("there are no option ROMs; use -vga std,romfile=F", true, "option-rom");
    no("write the options on the command line", true, "readconfig", "writeconfig");
    no("name files, not descriptors", true, "add-fd", "set");
    no("there is no TPM; --secret F hands a guest its secret", true, "tpmdev");
    no("nothing is configured by QMP before the run; leave it out", false, "preconfig");
    no("nothing hangs on USB; use -drive file=F,if=virtio", true, "usbdevice");
    no("there are no SCSI disks; use -drive file=F,if=virtio", true, "sd", "mtdblock");
    no("there is no watchdog; use --timeout S", true, "watchdog", "watchdog-action");
  }
}
