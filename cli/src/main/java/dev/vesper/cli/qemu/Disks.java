package dev.vesper.cli.qemu;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Drives, block nodes and the devices that they hang on. A device may be named before or after its
 * drive, so that all is put together at the end of the line.
 */
final class Disks {
  private static final String READ_ONLY = "readonly";
  private static final String OPTION = "-drive";

  /** Keys that name or place a drive, which Vesper does by order. */
  private static final List<String> PLACES =
      List.of("bus", "unit", "node-name", "boot", "overlap-check");

  /** Keys about how the computer reads and writes its file. */
  private static final List<String> TUNING =
      List.of(
          "aio",
          "cache",
          "cache.",
          "discard",
          "detect-zeroes",
          "werror",
          "rerror",
          "copy-on-read",
          "throttling.",
          "iops",
          "iops_rd",
          "iops_wr",
          "bps",
          "bps_rd",
          "bps_wr",
          "serial",
          "cyls",
          "heads",
          "secs",
          "trans",
          "l2-cache-size",
          "refcount-cache-size",
          "cache-clean-interval",
          "lazy-refcounts",
          "pass-discard-request",
          "file.driver",
          "file.aio",
          "file.cache.",
          "file.locking",
          "locking",
          "auto-read-only",
          "force-share");

  private static final String EMPTY_DRIVE = "there are no empty CD-ROM drives";

  private static final String UNTUNED = "the file is read and written in one way";

  /** What a drive is, before it is known what it hangs on. */
  private record Image(
      String file,
      @Nullable String format,
      boolean cdRom,
      boolean readOnly,
      boolean snapshot,
      String index,
      String bootIndex) {
    /** A drive that firmware finds by itself. */
    Image(
        String file,
        @Nullable String format,
        boolean cdRom,
        boolean readOnly,
        boolean snapshot,
        String index) {
      this(file, format, cdRom, readOnly, snapshot, index, "");
    }

    /** {@return the same as the medium of a CD-ROM drive} */
    Image inCdRom() {
      return new Image(file, format, true, false, false, index, bootIndex);
    }

    /** {@return the same with a place in the order in which firmware looks} */
    Image with(String boot) {
      return new Image(file, format, cdRom, readOnly, snapshot, index, boot);
    }

    String words(String bus) {
      return "file="
          + file
          + (format == null ? "" : ",format=" + format)
          + (bus.isEmpty() ? "" : ",if=" + bus)
          + (cdRom ? ",media=cdrom" : "")
          + (readOnly ? ",readonly=on" : "")
          + (snapshot ? ",snapshot=on" : "")
          + (bootIndex.isEmpty() ? "" : ",bootindex=" + bootIndex);
    }
  }

  /** A disk that the guest sees. */
  private record Attached(Image image, String bus, int index) {
    /** {@return the bus, which for a disk is virtio if nothing is said} */
    String place() {
      return bus.isEmpty() ? image.cdRom ? "ide" : "virtio" : bus;
    }
  }

  /** A device that takes a drive or a block node. */
  private record Device(String model, String bus, String drive, String bootIndex) {}

  /** A drive or node that is a flash. */
  private record Flash(int unit, @Nullable Image image, String node) {}

  private final Line line;
  private final List<Attached> attached = new ArrayList<>();
  private final Map<String, Image> waiting = new LinkedHashMap<>();
  private final Map<String, KeyValues> nodes = new LinkedHashMap<>();
  private final List<Device> devices = new ArrayList<>();
  private final List<Flash> flashes = new ArrayList<>();

  Disks(Line line) {
    this.line = line;
  }

  private static String convert(String format, String file) {
    return "%s format=%s: there are raw and qcow2; convert it with 'qemu-img convert -O qcow2 %s %s.qcow2'"
        .formatted(OPTION, format, file, file);
  }

  private boolean usable(String option, @Nullable String file, @Nullable String format) {
    if (file == null || file.isEmpty()) {
      line.refuse(option + " needs file=F");
    } else if (file.indexOf(',') >= 0) {
      line.refuse(option + " " + file + ": a name with a comma cannot be given; link to the file");
    } else if (format != null && !format.equals("raw") && !format.equals("qcow2")) {
      line.refuse(convert(format, file));
    } else {
      return true;
    }
    return false;
  }

  /** {@code -drive}. */
  void drive(String option, String value) {
    KeyValues k = new KeyValues(value, "");
    String other = k.take("file.filename");
    String file = k.take("file", other == null ? "" : other);
    String driver = k.take("driver");
    String format = k.take("format", driver == null ? "" : driver);
    String bus = k.take("if", "");
    String id = k.take("id", "");
    String unit = k.take("unit", "");
    String index = k.take("index", unit);
    String medium = k.take("media", "disk");
    boolean readOnly = isSet(k, READ_ONLY) | isSet(k, "read-only");
    boolean snapshot = isSet(k, "snapshot");
    String boot = k.take("bootindex", "");
    k.ignore(PLACES);
    line.drop(OPTION, k.takeAny(TUNING), UNTUNED);
    line.refuseRest(OPTION, k);
    String kind = format.isEmpty() ? null : format;
    boolean cdRom = medium.equals("cdrom");
    if (!cdRom && !medium.equals("disk")) {
      line.refuse("-drive media=" + medium + ": there are disk and cdrom");
      return;
    }
    if (cdRom && file.isEmpty()) {
      line.drop(OPTION + " media=cdrom without file=F", EMPTY_DRIVE);
      return;
    }
    if (!usable(OPTION, file, kind)) {
      return;
    }
    Image i = new Image(file, kind, cdRom, readOnly && !cdRom, snapshot && !cdRom, index, boot);
    switch (bus) {
      case "", "virtio", "ide" -> attach(i, bus);
      case "none" -> waiting.put(id, i);
      case "pflash" -> flashes.add(new Flash(number(index, flashes.size()), i, ""));
      case "scsi", "sd", "mtd", "xen" ->
          line.refuse(
              "-drive if=%s: there are virtio and ide; use -drive file=%s,if=virtio"
                  .formatted(bus, file));
      case "floppy" -> floppy(OPTION + " if=floppy");
      default -> line.refuse("-drive if=" + bus + ": there are virtio and ide");
    }
  }

  /**
   * {@return whether a flag is on; anything but on and off is refused as Vesper's own option does}
   */
  private boolean isSet(KeyValues k, String key) {
    String v = k.take(key, "off");
    if (!KeyValues.isOn(v) && !List.of("off", "no", "false", "n").contains(v)) {
      line.refuse(OPTION + " " + key + "=" + v + ": say on or off");
    }
    return KeyValues.isOn(v);
  }

  private static int number(String text, int otherwise) {
    return text.matches("\\d{1,3}") ? Integer.parseInt(text) : otherwise;
  }

  private void attach(Image i, String bus) {
    Set<Integer> taken = new LinkedHashSet<>();
    String place = new Attached(i, bus, 0).place();
    attached.stream().filter(a -> a.place().equals(place)).forEach(a -> taken.add(a.index));
    int free = 0;
    while (taken.contains(free)) {
      free++;
    }
    attached.add(new Attached(i, bus, number(i.index, free)));
  }

  /** {@code -hda} to {@code -hdd}. */
  void disk(String option, String file) {
    if (usable(option, file, null)) {
      int index = option.charAt(option.length() - 1) - 'a';
      attached.add(new Attached(new Image(file, null, false, false, false, ""), "ide", index));
    }
  }

  /** {@code -cdrom}: the third disk of an IDE controller. */
  void cdrom(String file) {
    if (usable("-cdrom", file, null)) {
      attached.add(new Attached(new Image(file, null, true, false, false, ""), "ide", 2));
    }
  }

  /** {@code -fda} and its like. */
  void floppy(String option) {
    line.refuse(option + ": there is no floppy drive; use -drive file=F,if=ide");
  }

  /** {@code -blockdev}. */
  void node(String value) {
    if (value.startsWith("{")) {
      line.refuse("-blockdev: JSON is not taken; write driver=qcow2,node-name=N,file.filename=F");
      return;
    }
    KeyValues k = new KeyValues(value, "driver");
    nodes.put(k.take("node-name", ""), k);
  }

  /** {@return the image of a drive or of a block node, null if there is none} */
  private @Nullable Image image(String id) {
    Image i = waiting.remove(id);
    KeyValues k = nodes.remove(id);
    if (i != null || k == null) {
      return i;
    }
    String driver = k.take("driver", "file");
    String below = k.take("file", "");
    KeyValues protocol = below.isEmpty() ? null : nodes.remove(below);
    boolean file = driver.equals("file");
    String name = k.take(file ? "filename" : "file.filename", "");
    if (protocol != null) {
      name = protocol.take("filename", "");
      protocol.ignore(List.of("driver", "read-only"));
      line.drop("-blockdev", protocol.takeAny(TUNING), UNTUNED);
      line.refuseRest("-blockdev", protocol);
    }
    boolean readOnly = k.takeFlag("read-only");
    line.drop("-blockdev", k.takeAny(TUNING), UNTUNED);
    line.refuseRest("-blockdev", k);
    String format = file ? "raw" : driver;
    return usable("-blockdev", name, format)
        ? new Image(name, format, false, readOnly, false, "")
        : null;
  }

  /**
   * A device that takes a drive.
   *
   * @param bus what it hangs on in Vesper's words; empty if there is no such device here
   */
  void device(String model, String bus, KeyValues k) {
    String id = k.take("drive", "");
    if (bus.isEmpty()) {
      line.refuse(
          "-device %s: disks are virtio or ide; use -drive file=F,if=virtio".formatted(model));
      waiting.remove(id);
      return;
    }
    if (model.equals("ide-cd") && id.isEmpty()) {
      line.drop("-device ide-cd without drive=ID", EMPTY_DRIVE);
      return;
    }
    String boot = k.take("bootindex", "");
    line.drop(
        "-device " + model,
        k.takeAny(List.of("serial", "num-queues", "queue-size", "iothread")),
        "disks come in the order of the line");
    Devices.refuseRest(line, model, k);
    devices.add(new Device(model, bus, id, boot));
  }

  /** {@code -machine pflash0=NODE}. */
  void flash(int unit, String node) {
    flashes.add(new Flash(unit, null, node));
  }

  /** Puts all together. */
  void finish() {
    for (Device d : devices) {
      Image i = image(d.drive);
      if (i == null) {
        line.refuse("-device %s: no -drive or -blockdev is named '%s'".formatted(d.model, d.drive));
      } else {
        Image placed = i.with(i.bootIndex.isEmpty() ? d.bootIndex : i.bootIndex);
        attach(d.model.equals("ide-cd") ? placed.inCdRom() : placed, d.bus);
      }
    }
    flashes.sort(Comparator.comparingInt(Flash::unit));
    firmware(flashes.stream().map(f -> f.image != null ? f.image : image(f.node)).toList());
    List<Attached> order = new ArrayList<>();
    for (String bus : attached.stream().map(Attached::place).distinct().toList()) {
      attached.stream()
          .filter(a -> a.place().equals(bus))
          .sorted(Comparator.comparingInt(Attached::index))
          .forEach(order::add);
    }
    order.forEach(a -> line.add(OPTION, a.image.words(a.bus)));
    waiting.forEach(
        (id, i) ->
            line.drop("-drive if=none,file=" + i.file, "no -device takes it, so no guest sees it"));
    nodes
        .keySet()
        .forEach(n -> line.drop("-blockdev " + n, "no -device takes it, so no guest sees it"));
  }

  private void firmware(List<@Nullable Image> flash) {
    if (flash.isEmpty()) {
      return;
    }
    Image code = flash.get(0);
    Image variables = flash.size() > 1 ? flash.get(1) : null;
    if (flash.size() > 2 || code == null || flash.size() > 1 && variables == null) {
      line.refuse("-drive if=pflash: there is one for code and one for variables: -bios, --nvram");
      return;
    }
    for (Image i : variables == null ? List.of(code) : List.of(code, variables)) {
      if (i.format != null && !i.format.equals("raw")) {
        line.refuse(
            "-drive if=pflash,file=%s: flash is raw; convert it with 'qemu-img convert -O raw'"
                .formatted(i.file));
      }
    }
    line.set("-bios", code.file);
    if (variables == null) {
      if (!code.readOnly) {
        line.drop(
            "-drive if=pflash,file=" + code.file + " as writable",
            "firmware is ROM: variables are kept in a file of their own, --nvram");
      }
      return;
    }
    if (variables.readOnly || variables.snapshot) {
      line.refuse(
          "-drive if=pflash,file=%s: the variable store is written at the end; -snapshot leaves it"
              .formatted(variables.file));
    }
    line.set("--nvram", variables.file);
  }
}
