package dev.vesper.machine;

import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.device.disk.DiskFile;
import dev.vesper.machine.device.disk.OverlayDisk;
import dev.vesper.machine.device.net.Loopback;
import dev.vesper.machine.device.net.Network;
import dev.vesper.machine.device.net.Outside;
import dev.vesper.machine.device.net.UserNetwork;
import dev.vesper.machine.device.share.FuseServer;
import dev.vesper.machine.spec.BootOptions;
import dev.vesper.machine.spec.Hardware;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.format.DateTimeParseException;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Hardware in the words of {@code vesper run}, which are QEMU's: {@code file=disk.qcow2,if=ide}.
 * What an option names is opened; a {@link Machine} that it hangs on closes it.
 *
 * <p>All throw IllegalArgumentException for what cannot be: one line that says what and how to mend
 * it, with the option's name.
 */
public final class HardwareOptions {
  private static final String DRIVE =
      " takes file=F[,format=raw|qcow2][,if=virtio|ide][,media=disk|cdrom][,readonly=on]"
          + "[,snapshot=on][,bootindex=N]";
  private static final String BOOT =
      " takes [order=]DEVICES[,once=DEVICES][,menu=on][,splash-time=MS][,reboot-timeout=MS]"
          + "[,strict=on]";
  private static final String NIC =
      " takes none or user[,hostfwd=tcp:[127.0.0.1]:PORT-[10.0.2.15]:PORT]"
          + "[,guestfwd=tcp:10.0.2.2:PORT-tcp:127.0.0.1:PORT]";
  private static final String SHARE = " takes path=DIR,tag=TAG[,readonly=on]";
  private static final String CLOCK = " takes base=utc, base=localtime or base=DATE";

  private static final Pattern IN =
      Pattern.compile("tcp:([\\d.]*):(\\d{1,5})-([\\d.]*):(\\d{1,5})");
  private static final Pattern OUT =
      Pattern.compile("tcp:([\\d.]+):(\\d{1,5})-tcp:([\\d.]+):(\\d{1,5})");
  private static final Pattern ITEM =
      Pattern.compile("(?:name=)?([^,=]*),(file|string)=(.*)", Pattern.DOTALL);
  private static final String ITEM_WORDS =
      " takes name=opt/NAME,file=F or name=opt/NAME,string=TEXT";
  private static final int LONGEST_ITEM = 16 << 20;
  private static final String LOOPBACK = "127.0.0.1";
  private static final int LONGEST_TAG = 36;

  private HardwareOptions() {}

  private static IllegalArgumentException wrong(String message) {
    return new IllegalArgumentException(message);
  }

  /** {@return why a file could not be read or written, in words} */
  public static String reason(IOException e) {
    return switch (e) {
      case NoSuchFileException n -> "no such file or directory";
      case AccessDeniedException a -> "permission denied";
      case CharacterCodingException c -> "it is not text in UTF-8";
      default -> String.valueOf(e.getMessage());
    };
  }

  // ---- disks

  /** What a drive's option says. */
  private record DriveWords(
      Path path,
      DiskFile.@Nullable Format format,
      boolean virtio,
      boolean cdRom,
      boolean readOnly,
      boolean forget,
      int bootIndex) {

    static DriveWords of(String name, String option) {
      Path path = null;
      DiskFile.Format format = null;
      String bus = "";
      boolean cdRom = false;
      boolean readOnly = false;
      boolean forget = false;
      int bootIndex = -1;
      for (String part : option.split(",")) {
        int eq = part.indexOf('=');
        String key = eq < 0 ? part : part.substring(0, eq);
        String value = eq < 0 ? "" : part.substring(eq + 1);
        switch (key) {
          case "file" -> path = Path.of(value);
          case "format" ->
              format =
                  switch (value) {
                    case "raw" -> DiskFile.Format.RAW;
                    case "qcow2" -> DiskFile.Format.QCOW2;
                    default -> throw wrong(name + " " + part + ": there are raw and qcow2");
                  };
          case "if" -> {
            if (!value.equals("virtio") && !value.equals("ide")) {
              throw wrong(name + " " + part + ": there are virtio and ide");
            }
            bus = value;
          }
          case "media" -> {
            if (!value.equals("disk") && !value.equals("cdrom")) {
              throw wrong(name + " " + part + ": there are disk and cdrom");
            }
            cdRom = value.equals("cdrom");
          }
          case "readonly" -> readOnly = flag(name, part, value);
          case "snapshot" -> forget = flag(name, part, value);
          case "bootindex" -> bootIndex = number(name, part, value, Short.MAX_VALUE);
          default -> throw wrong(name + DRIVE + ", not '" + part + "'");
        }
      }
      if (path == null) {
        throw wrong(name + " needs file=F");
      }
      boolean virtio = bus.isEmpty() ? !cdRom : bus.equals("virtio");
      return new DriveWords(path, format, virtio, cdRom, readOnly || cdRom, forget, bootIndex);
    }
  }

  /**
   * Opens a disk: {@code
   * file=F[,format=raw|qcow2][,if=virtio|ide][,media=disk|cdrom][,readonly=on][,snapshot=on]}. A
   * CD-ROM cannot be written, and is one of the AHCI controller unless it is said to be virtio.
   *
   * @param name of the option, for messages
   * @param snapshot what is written is forgotten, whatever the option says
   */
  public static Hardware.Drive drive(String name, String option, boolean snapshot) {
    return drive(name, option, snapshot, n -> {});
  }

  /**
   * Opens a disk as {@link #drive(String, String, boolean)} does.
   *
   * @param notices is told in a line what the user should know while the guest runs
   */
  public static Hardware.Drive drive(
      String name, String option, boolean snapshot, Consumer<String> notices) {
    DriveWords d = DriveWords.of(name, option);
    return new Hardware.Drive(
        disk(d.path, d.format, d.readOnly, (d.forget || snapshot) && !d.cdRom, notices),
        d.virtio,
        d.cdRom && !d.virtio,
        d.bootIndex);
  }

  /**
   * Opens a disk whose image is only read: what a guest writes to it is part of the machine, which
   * snapshots need.
   *
   * @param name of the option, for messages
   * @param notices is told in a line what the user should know while the guest runs
   */
  public static Hardware.Drive keptDrive(String name, String option, Consumer<String> notices) {
    DriveWords d = DriveWords.of(name, option);
    Disk image = disk(d.path, d.format, true, false, notices);
    return new Hardware.Drive(
        d.readOnly
            ? image
            : new OverlayDisk(
                image, OverlayDisk.MOST_BYTES, n -> notices.accept(d.path + ": " + n)),
        d.virtio,
        d.cdRom && !d.virtio,
        d.bootIndex);
  }

  /** {@return the file of a disk that an option describes} */
  public static Path driveFile(String name, String option) {
    return DriveWords.of(name, option).path;
  }

  /** {@return whether what a guest writes to a disk that an option describes goes to its file} */
  public static boolean driveIsWritten(String name, String option, boolean snapshot) {
    DriveWords d = DriveWords.of(name, option);
    return !d.readOnly && !d.forget && !snapshot;
  }

  private static int number(String name, String part, String value, int most) {
    if (!value.matches("\\d{1,6}") || Integer.parseInt(value) > most) {
      throw wrong(name + " " + part + ": a number up to " + most + " is wanted");
    }
    return Integer.parseInt(value);
  }

  /**
   * {@return what firmware is told about booting: {@code
   * [order=]DEVICES[,once=DEVICES][,menu=on][,splash-time=MS][,reboot-timeout=MS][,strict=on]}}
   *
   * @param name of the option, for messages
   */
  public static BootOptions boot(String name, String option) {
    String order = "";
    String once = "";
    boolean menu = false;
    boolean strict = false;
    OptionalInt wait = OptionalInt.empty();
    OptionalInt retry = OptionalInt.empty();
    for (String part : option.split(",")) {
      int eq = part.indexOf('=');
      String key = eq < 0 ? "order" : part.substring(0, eq);
      String value = part.substring(eq + 1);
      switch (key) {
        case "order" -> order = value;
        case "once" -> once = value;
        case "menu" -> menu = flag(name, part, value);
        case "strict" -> strict = flag(name, part, value);
        case "splash-time" -> wait = OptionalInt.of(number(name, part, value, 0xFFFF));
        case "reboot-timeout" -> retry = OptionalInt.of(number(name, part, value, 0xFFFF));
        default -> throw wrong(name + BOOT + ", not '" + part + "'");
      }
    }
    try {
      return new BootOptions(order, once, menu, wait, retry, strict);
    } catch (IllegalArgumentException e) {
      throw wrong(name + " " + option + ": " + e.getMessage());
    }
  }

  private static boolean flag(String name, String part, String value) {
    return switch (value) {
      case "on" -> true;
      case "off" -> false;
      default -> throw wrong(name + " " + part + ": say on or off");
    };
  }

  private static Disk disk(
      Path path,
      DiskFile.@Nullable Format format,
      boolean readOnly,
      boolean snapshot,
      Consumer<String> notices) {
    if (!Files.isRegularFile(path)) {
      throw wrong("the disk " + path + " is no file: name a disk image");
    }
    try {
      return DiskFile.open(path, format, readOnly, snapshot, notices);
    } catch (IOException e) {
      throw wrong("cannot open the disk " + path + ": " + reason(e));
    }
  }

  // ---- networks

  /**
   * Opens a network: {@code user} with {@code hostfwd=} and {@code guestfwd=}, or {@code none}.
   *
   * @param name of the option, for messages
   * @return null for none
   */
  public static @Nullable Network nic(String name, String option) {
    return nic(name, option, true);
  }

  /**
   * Opens a network as {@link #nic(String, String)} does.
   *
   * @param sockets whether sockets are opened; without, the network is for a machine that is given
   *     again what was said on them
   * @return null for none
   */
  public static @Nullable Network nic(String name, String option, boolean sockets) {
    String[] parts = option.split(",", -1);
    if (parts[0].equals("none") && parts.length == 1) {
      return null;
    }
    if (!parts[0].equals("user")) {
      throw wrong(name + NIC + ", not '" + option + "'");
    }
    if (parts.length == 1) {
      return new UserNetwork();
    }
    if (!sockets) {
      for (int i = 1; i < parts.length; i++) {
        forward(name, parts[i], null);
      }
      return new UserNetwork(Outside.RECORDED);
    }
    Loopback l;
    try {
      l = new Loopback();
    } catch (IOException e) {
      throw wrong(name + ": cannot use sockets: " + reason(e));
    }
    try {
      for (int i = 1; i < parts.length; i++) {
        forward(name, parts[i], l);
      }
      return new UserNetwork(l);
    } catch (IllegalArgumentException e) {
      l.close();
      throw e;
    }
  }

  private static void forward(String name, String option, @Nullable Loopback to) {
    String value = option.substring(option.indexOf('=') + 1);
    Matcher in = IN.matcher(value);
    Matcher out = OUT.matcher(value);
    if (option.startsWith("hostfwd=") && in.matches()) {
      letIn(name, option, in, to);
    } else if (option.startsWith("guestfwd=") && out.matches()) {
      if (!out.group(1).equals("10.0.2.2") || !out.group(3).equals(LOOPBACK)) {
        throw wrong(
            name + " " + option + ": a guest reaches 127.0.0.1 through the gateway, 10.0.2.2");
      }
      int from = port(name, option, out.group(2));
      int there = port(name, option, out.group(4));
      if (to != null) {
        to.letOut(from, there);
      }
    } else {
      throw wrong(name + NIC + ", not '" + option + "'");
    }
  }

  private static int port(String name, String option, String number) {
    int n = Integer.parseInt(number);
    if (n == 0 || n > 0xFFFF) {
      throw wrong(name + " " + option + ": ports are from 1 to 65535");
    }
    return n;
  }

  private static void letIn(String name, String option, Matcher m, @Nullable Loopback to) {
    String what = name + " " + option;
    if (!m.group(1).isEmpty() && !m.group(1).equals(LOOPBACK)) {
      throw wrong(what + ": only 127.0.0.1 is listened at, not " + m.group(1));
    }
    int address = UserNetwork.GUEST;
    if (!m.group(3).isEmpty()) {
      try {
        // Digits and dots: nothing is looked up.
        address = ByteBuffer.wrap(InetAddress.getByName(m.group(3)).getAddress()).getInt();
      } catch (IOException e) {
        throw wrong(what + ": " + m.group(3) + " is no IPv4 address");
      }
    }
    int from = port(name, option, m.group(2));
    int guest = port(name, option, m.group(4));
    if (to == null) {
      return;
    }
    try {
      to.letIn(from, address, guest);
    } catch (IOException e) {
      throw wrong(what + ": cannot listen at port " + from + ": " + reason(e));
    }
  }

  // ---- folders

  /**
   * Opens a folder: {@code path=DIR,tag=TAG[,readonly=on]}.
   *
   * @param name of the option, for messages
   */
  public static Hardware.Share share(String name, String option) {
    return share(name, option, false);
  }

  /**
   * Takes a folder as it is now, with all that is below it, in the words of {@link #share}: it can
   * be given to any number of machines, none of which can change it.
   *
   * @param name of the option, for messages
   */
  public static Hardware.Share frozenShare(String name, String option) {
    return share(name, option, true);
  }

  private static Hardware.Share share(String name, String option, boolean frozen) {
    String path = "";
    String tag = "";
    boolean readOnly = false;
    for (String part : option.split(",")) {
      if (part.startsWith("path=")) {
        path = part.substring(5);
      } else if (part.startsWith("tag=")) {
        tag = part.substring(4);
      } else if (part.equals("readonly=on") || part.equals("readonly=off")) {
        readOnly = part.endsWith("on");
      } else {
        throw wrong(name + SHARE + ", not '" + part + "'");
      }
    }
    int length = tag.getBytes(StandardCharsets.UTF_8).length;
    if (path.isEmpty() || length == 0 || length > LONGEST_TAG) {
      throw wrong(name + SHARE + " with a tag of 1 to 36 bytes, not '" + option + "'");
    }
    try {
      Path p = Path.of(path);
      return new Hardware.Share(tag, frozen ? FuseServer.frozen(p) : new FuseServer(p, readOnly));
    } catch (IOException e) {
      throw wrong("cannot share " + path + ": " + reason(e));
    }
  }

  // ---- firmware configuration

  /**
   * Reads an item of fw_cfg: {@code name=opt/NAME,file=F} or {@code name=opt/NAME,string=TEXT},
   * whose text may have commas, twice each as QEMU has them.
   *
   * @param name of the option, for messages
   */
  public static Hardware.ConfigItem item(String name, String option) {
    Matcher m = ITEM.matcher(option);
    if (!m.matches()) {
      throw wrong(name + ITEM_WORDS + ", not '" + option + "'");
    }
    try {
      byte[] content =
          m.group(2).equals("string")
              ? m.group(3).replace(",,", ",").getBytes(StandardCharsets.UTF_8)
              : content(Path.of(m.group(3)));
      return new Hardware.ConfigItem(m.group(1), content);
    } catch (IllegalArgumentException e) {
      throw wrong(name + " " + option + ": " + e.getMessage());
    }
  }

  /** {@return the file that an item of fw_cfg is read from, null if there is none} */
  public static @Nullable Path itemFile(String option) {
    Matcher m = ITEM.matcher(option);
    return m.matches() && m.group(2).equals("file") ? Path.of(m.group(3)) : null;
  }

  private static byte[] content(Path file) {
    try (InputStream in = Files.newInputStream(file)) {
      byte[] b = in.readNBytes(LONGEST_ITEM + 1);
      if (b.length > LONGEST_ITEM) {
        throw wrong("it is larger than 16 MiB, which is the most");
      }
      return b;
    } catch (IOException e) {
      throw wrong("cannot read " + file + ": " + reason(e));
    }
  }

  // ---- clock

  /**
   * {@return what the clock says at virtual time 0, in seconds since 1970}
   *
   * @param name of the option, for messages
   * @param option {@code base=utc|localtime|DATE}, or empty for {@link Hardware#START_SECONDS}
   */
  public static long clock(String name, String option) {
    return clock(name, option, Instant.now(), ZoneId.systemDefault());
  }

  /** {@return the same at a time and place} */
  public static long clock(String name, String option, Instant now, ZoneId zone) {
    long start = Hardware.START_SECONDS;
    for (String part : option.isEmpty() ? new String[0] : option.split(",")) {
      switch (part) {
        case "base=utc" -> start = now.getEpochSecond();
        case "base=localtime" ->
            start = now.atZone(zone).toLocalDateTime().toEpochSecond(ZoneOffset.UTC);
        case "clock=vm", "driftfix=none" -> {
          // what is done anyway
        }
        case "clock=host", "clock=rt" ->
            throw wrong(name + " " + part + ": the clock goes with virtual time, as clock=vm");
        case "driftfix=slew" ->
            throw wrong(name + " " + part + ": no tick is lost that could be made up for");
        default -> {
          if (!part.startsWith("base=")) {
            throw wrong(name + CLOCK + ", not '" + part + "'");
          }
          start = date(name, part);
        }
      }
    }
    return start;
  }

  private static long date(String name, String part) {
    String text = part.substring("base=".length());
    try {
      LocalDateTime t =
          text.contains("T") ? LocalDateTime.parse(text) : LocalDate.parse(text).atStartOfDay();
      if (t.getYear() >= 1970 && t.getYear() <= 9999) {
        return t.toEpochSecond(ZoneOffset.UTC);
      }
    } catch (DateTimeParseException e) {
      // said below
    }
    throw wrong(
        name + " " + part + ": a date is 2026-06-17 or 2026-06-17T16:01:21, from 1970 to 9999");
  }

  // ---- memory

  /**
   * {@return bytes of a size such as 512M or 2G}
   *
   * @param name of the option, for messages
   */
  public static long memory(String name, String size) {
    return bytes(name, size, "[MG]?");
  }

  /**
   * {@return bytes of the size of an output, which may be as small as 64K}
   *
   * @param name of the option, for messages
   */
  public static long output(String name, String size) {
    return bytes(name, size, "[KMG]?");
  }

  private static long bytes(String name, String size, String units) {
    String t = size.trim().toUpperCase(Locale.ROOT);
    if (!t.matches("[0-9]{1,6}" + units)) {
      throw wrong(name + " takes a size such as 512M or 2G, not '" + size + "'");
    }
    int shift = t.endsWith("K") ? 10 : t.endsWith("G") ? 30 : 20;
    return Long.parseLong(t.replaceAll("[KMG]", "")) << shift;
  }
}
