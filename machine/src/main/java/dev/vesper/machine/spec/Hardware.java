package dev.vesper.machine.spec;

import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.device.net.Network;
import dev.vesper.machine.device.share.FuseServer;
import dev.vesper.machine.device.share.ShareBoundary;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What a machine is made of besides processors and memory.
 *
 * @param board the chipset
 * @param drives disks, in the order in which the guest finds them
 * @param networks what network adapters are plugged into
 * @param virtioConsole whether there is a virtio console
 * @param shares folders of the computer that the guest can mount
 * @param screen a VGA adapter, or null
 * @param testDevice QEMU's {@code pc-testdev}
 * @param startSeconds what the clock says at virtual time 0, in seconds since 1970
 * @param items what fw_cfg has besides the board's own items
 * @param smbios what is said of SMBIOS tables, or null for a board without
 */
public record Hardware(
    Board board,
    List<Drive> drives,
    List<Network> networks,
    boolean virtioConsole,
    List<Share> shares,
    @Nullable Screen screen,
    boolean testDevice,
    long startSeconds,
    List<ConfigItem> items,
    @Nullable Smbios smbios,
    @Nullable BootOptions boot) {
  /** 2027-01-01 00:00:00 UTC: where the clock starts unless somebody says otherwise. */
  public static final long START_SECONDS = 1_798_761_600L;

  /** What QEMU calls a machine. */
  public enum Board {
    /** What the profile's hypervisor gives a guest: {@link #PC} under kvm, vmd's own board. */
    AUTO,
    /**
     * 8259 pair, 8254, COM1, clock, and an empty PCI bus: no tables, no firmware, and no local APIC
     * for a processor alone.
     */
    MINIMAL,
    /** i440FX and PIIX, as QEMU's {@code pc}. */
    PC,
    /** Q35 and ICH9 with PCI Express configuration space, as QEMU's {@code q35}. */
    Q35
  }

  /**
   * A disk and what it hangs on.
   *
   * @param virtio a virtio disk, or one of the AHCI controller
   * @param cdRom a CD-ROM drive with the disk as its medium, if it is of the AHCI controller
   * @param bootIndex firmware tries those with the least number first, before all that have none;
   *     -1 for none
   */
  public record Drive(Disk disk, boolean virtio, boolean cdRom, int bootIndex) {
    /** A hard disk. */
    public Drive(Disk disk, boolean virtio) {
      this(disk, virtio, false);
    }

    /** A drive that firmware finds by itself. */
    public Drive(Disk disk, boolean virtio, boolean cdRom) {
      this(disk, virtio, cdRom, -1);
    }
  }

  /**
   * A folder of the computer.
   *
   * @param tag by which the guest mounts it
   */
  public record Share(String tag, FuseServer server) {}

  /**
   * A VGA adapter.
   *
   * @param bios what a BIOS runs to set it up; may be empty
   */
  public record Screen(byte[] bios) {}

  /**
   * An item of the firmware configuration device that a person adds, which board {@link Board#PC}
   * and {@link Board#Q35} have.
   *
   * @param name a path below {@code opt/}, at most 55 bytes of ASCII
   * @param content what the guest reads
   */
  public record ConfigItem(String name, byte[] content) {
    /** Where items of people are, so that none is taken for the board's. */
    public static final String FOLDER = "opt/";

    /** The longest name that fits into fw_cfg's directory. */
    public static final int LONGEST_NAME = 55;

    /** An item. */
    public ConfigItem {
      if (!name.startsWith(FOLDER)
          || name.length() == FOLDER.length()
          || name.length() > LONGEST_NAME
          || !name.chars().allMatch(c -> c > ' ' && c < 127)) {
        throw new IllegalArgumentException(
            "an item's name is opt/ and more, 55 printable characters at most, not '" + name + "'");
      }
    }
  }

  /** The least. */
  public static final Hardware NONE = new Hardware(Board.AUTO, List.of());

  /**
   * Hardware of these parts.
   *
   * @throws IllegalArgumentException if two shared folders overlap
   */
  public Hardware {
    if (shares.size() > 1) {
      new ShareBoundary(shares.stream().map(Share::server).toList());
    }
  }

  /** A board with disks. */
  public Hardware(Board board, List<Drive> drives) {
    this(board, drives, List.of(), false, List.of(), null);
  }

  /** Hardware without the test device, whose clock starts where it does in every run. */
  public Hardware(
      Board board,
      List<Drive> drives,
      List<Network> networks,
      boolean virtioConsole,
      List<Share> shares,
      @Nullable Screen screen) {
    this(
        board,
        drives,
        networks,
        virtioConsole,
        shares,
        screen,
        false,
        START_SECONDS,
        List.of(),
        null,
        null);
  }

  /** The components of a record that is to be the same but for one of them. */
  private static final class Parts {
    private Board board;
    private List<Drive> drives;
    private List<Network> networks;
    private boolean virtioConsole;
    private List<Share> shares;
    private @Nullable Screen screen;
    private boolean testDevice;
    private long startSeconds;
    private List<ConfigItem> items;
    private @Nullable Smbios smbios;
    private @Nullable BootOptions boot;

    Parts(Hardware h) {
      board = h.board;
      drives = h.drives;
      networks = h.networks;
      virtioConsole = h.virtioConsole;
      shares = h.shares;
      screen = h.screen;
      testDevice = h.testDevice;
      startSeconds = h.startSeconds;
      items = h.items;
      smbios = h.smbios;
      boot = h.boot;
    }
  }

  private Hardware with(Consumer<Parts> change) {
    Parts p = new Parts(this);
    change.accept(p);
    return new Hardware(
        p.board,
        p.drives,
        p.networks,
        p.virtioConsole,
        p.shares,
        p.screen,
        p.testDevice,
        p.startSeconds,
        p.items,
        p.smbios,
        p.boot);
  }

  /** {@return the same on another board} */
  public Hardware withBoard(Board other) {
    return with(p -> p.board = other);
  }

  /** {@return the same with other disks} */
  public Hardware withDrives(List<Drive> other) {
    return with(p -> p.drives = List.copyOf(other));
  }

  /** {@return the same with other networks} */
  public Hardware withNetworks(List<Network> other) {
    return with(p -> p.networks = List.copyOf(other));
  }

  /** {@return the same with other shared folders} */
  public Hardware withShares(List<Share> other) {
    return with(p -> p.shares = List.copyOf(other));
  }

  /** {@return the same with the test device, or without} */
  public Hardware withTestDevice(boolean present) {
    return with(p -> p.testDevice = present);
  }

  /** {@return the same with a clock that starts elsewhere, in seconds since 1970} */
  public Hardware withClock(long seconds) {
    return with(p -> p.startSeconds = seconds);
  }

  /** {@return the same with other items of the firmware configuration device} */
  public Hardware withItems(List<ConfigItem> other) {
    return with(p -> p.items = List.copyOf(other));
  }

  /** {@return the same with SMBIOS tables, or without} */
  public Hardware withSmbios(@Nullable Smbios said) {
    return with(p -> p.smbios = said);
  }

  /** {@return the same with what firmware is told about booting, or without} */
  public Hardware withBoot(@Nullable BootOptions options) {
    return with(p -> p.boot = options);
  }

  /** {@return whether there is anything that {@link Board#MINIMAL} has no place for} */
  public boolean needsPci() {
    return testDevice
        || smbios != null
        || boot != null
        || !items.isEmpty()
        || !drives.isEmpty()
        || !networks.isEmpty()
        || virtioConsole
        || !shares.isEmpty()
        || screen != null;
  }
}
