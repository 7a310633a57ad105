package dev.vesper.machine.vmm;

import dev.vesper.machine.device.AcpiPm;
import dev.vesper.machine.device.FwCfg;
import dev.vesper.machine.device.Hpet;
import dev.vesper.machine.device.I8042;
import dev.vesper.machine.device.InterruptLines;
import dev.vesper.machine.device.IoApic;
import dev.vesper.machine.device.LinuxBootRom;
import dev.vesper.machine.device.ParallelFlash;
import dev.vesper.machine.device.PcTestDevice;
import dev.vesper.machine.device.Rom;
import dev.vesper.machine.device.acpi.AcpiTables;
import dev.vesper.machine.device.acpi.Board;
import dev.vesper.machine.device.ahci.Ahci;
import dev.vesper.machine.device.ahci.SataDrive;
import dev.vesper.machine.device.display.Vga;
import dev.vesper.machine.device.net.Network;
import dev.vesper.machine.device.pci.Ich9Lpc;
import dev.vesper.machine.device.pci.PciBridge;
import dev.vesper.machine.device.pci.PciBus;
import dev.vesper.machine.device.pci.PciConfig;
import dev.vesper.machine.device.pci.PciDevice;
import dev.vesper.machine.device.pci.Piix4Pm;
import dev.vesper.machine.device.pci.PirqRouter;
import dev.vesper.machine.device.pci.Q35Host;
import dev.vesper.machine.device.smbios.SmbiosTables;
import dev.vesper.machine.device.virtio.VirtioBlock;
import dev.vesper.machine.device.virtio.VirtioConsole;
import dev.vesper.machine.device.virtio.VirtioDevice;
import dev.vesper.machine.device.virtio.VirtioEntropy;
import dev.vesper.machine.device.virtio.VirtioFs;
import dev.vesper.machine.device.virtio.VirtioNet;
import dev.vesper.machine.device.virtio.VirtioPci;
import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.spec.BootOptions;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.Smbios;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * QEMU's machines {@code pc} (i440FX, PIIX3, PIIX4) and {@code q35} (Q35, ICH9) as software finds
 * them: I/O APIC, HPET, ACPI, keyboard controller, fw_cfg, PCI with what hangs on it, and firmware
 * below 4 GiB. A kernel that is entered directly finds them as firmware leaves them.
 */
public final class PcBoard {
  private static final int VGA_WINDOW = 0xA_0000;
  private static final int HOST_BRIDGE_I440FX = 0x1237_8086;
  private static final int ISA_BRIDGE_PIIX3 = 0x7000_8086;
  private static final int SCI = 9;
  private static final int FIRST_INPUT_PC = 16;
  private static final int FIRST_INPUT_Q35 = 20;
  private static final int ROUTES_PC = 0x60;
  private static final int ROUTES_Q35 = 0x68;
  private static final int LPC = 31;
  private static final int VGA = 2;

  // Where firmware that has run has put things.
  private static final int PM_BASE = 0x600;
  private static final long ECAM_BASE = 0xE000_0000L;
  private static final int ECAM_BUSES = 256;
  private static final int IO_WINDOW = 0xC000;
  private static final long MEMORY_WINDOW = 0xC000_0000L;

  /** The same where RAM ends behind it, as it can without configuration space in memory. */
  private static final long HIGH_MEMORY_WINDOW = 0xE000_0000L;

  // How QEMU lays out RAM (hw/i386/pc_piix.c and pc_q35.c): the first of these lie below the hole
  // in one piece; if there is as much, the hole begins at a GiB, so that both parts do.
  private static final long MOST_PC = 0xE000_0000L;
  private static final long HOLE_PC = 0xC000_0000L;
  private static final long MOST_Q35 = 0xB000_0000L;
  private static final long HOLE_Q35 = 0x8000_0000L;
  private static final int[] PIRQ_LINES = {10, 10, 11, 11};

  private final Platform.Parts parts;
  private final boolean express;
  private final Platform platform;
  private final IoApic ioApic;
  private final PciBus pci;
  private final PirqRouter router;
  private final AcpiPm pm;
  private final PciConfig powerManagement;
  private transient @Nullable Q35Host host;

  /** Drives that are tried first, by their boot index. */
  private final transient SortedMap<Integer, List<String>> bootOrder = new TreeMap<>();

  /** What is tried before them, or nothing. */
  private transient String firstToBoot = "";

  private PcBoard(Platform.Parts p) {
    parts = p;
    express = p.board() == Hardware.Board.Q35;
    ioApic = new IoApic(p.messages());
    LateLines timer = new LateLines();
    platform = new Platform(p, ioApic, timer);
    Hpet hpet = new Hpet(p.clock(), platform.lines);
    // In legacy replacement the HPET drives what is the 8254's and the clock's otherwise.
    timer.to =
        (n, on) -> {
          if (!hpet.legacyReplacement()) {
            platform.lines.line(n, on);
          }
        };
    platform.timed(hpet);
    platform.mmio.attach(ioApic, IoApic.BASE, 4096);
    platform.mmio.attach(hpet, Hpet.BASE, Hpet.LENGTH);
    pci = new PciBus(platform.ports, platform.mmio, p.messages());
    platform.pci = pci;
    router = new PirqRouter(platform.pic, ioApic, express ? FIRST_INPUT_Q35 : FIRST_INPUT_PC);
    pm = new AcpiPm(platform.ports, p.clock(), platform.reset::powerOff, platform.lines, SCI);
    platform.power(pm);
    if (!p.encrypted()) {
      pm.sleepsBy(platform.reset::sleep);
    }
    powerManagement = express ? new Ich9Lpc(pm, router) : new Piix4Pm(pm);
  }

  /** Lines that are known a little later. */
  private static final class LateLines implements InterruptLines {
    InterruptLines to = (n, on) -> {};

    @Override
    public void line(int number, boolean on) {
      to.line(number, on);
    }
  }

  static Platform of(Platform.Parts p) {
    PcBoard b = new PcBoard(p);
    b.ports();
    b.chipset();
    b.devices();
    b.configuration();
    Platform.PlacedFirmware f = p.firmware();
    if (f == null) {
      b.afterFirmware();
    } else {
      b.firmware(f);
    }
    return b.platform;
  }

  private void ports() {
    I8042 keyboard = new I8042(platform.lines, platform.reset::request);
    platform.keyboard = keyboard;
    platform.ports.attach(keyboard, 0x60, 0x60);
    platform.ports.attach(keyboard, 0x64, 0x64);
    platform.ports.attach(platform.reset, 0x92, 0x92);
    platform.ports.attach(pci, 0xCF8, 0xCFF);
    platform.ports.attach(platform.reset, 0xCF9, 0xCF9);
    if (parts.hardware().testDevice()) {
      new PcTestDevice((n, on) -> (n < 16 ? platform.lines : ioApic).line(n, on))
          .attach(platform.ports, platform.mmio);
    }
  }

  private void chipset() {
    if (express) {
      Q35Host h = new Q35Host(platform.mmio, pci.ecam());
      host = h;
      pci.add(0, 0, h);
      pci.add(LPC, 0, powerManagement);
    } else {
      pci.add(0, 0, new PciBridge(HOST_BRIDGE_I440FX, 0x0600_0002, false));
      pci.add(1, 0, new PciBridge(ISA_BRIDGE_PIIX3, 0x0601_0000, true, router, ROUTES_PC));
      pci.add(1, 3, powerManagement);
    }
  }

  private void devices() {
    add(virtio(new VirtioEntropy(parts.seed())));
    if (parts.hardware().screen() != null) {
      // Where QEMU has it.
      Vga v = new Vga(parts.memory(), platform.ports, parts.mmio()::video);
      platform.screen = v;
      // After a reset its memory is nowhere yet.
      parts.mmio().video(-1, 0);
      platform.mmio.attach(v.window(), VGA_WINDOW, Vga.WINDOW_BYTES);
      parts.mmio().window(VGA_WINDOW, Vga.WINDOW_BYTES);
      pci.add(VGA, v, on -> {});
    }
    int number = 0;
    for (Network n : parts.hardware().networks()) {
      // QEMU's addresses.
      byte[] mac = {0x52, 0x54, 0, 0x12, 0x34, (byte) (0x56 + number++)};
      VirtioNet adapter = new VirtioNet(mac, n);
      add(virtio(adapter));
      platform.network(adapter, n);
    }
    if (parts.hardware().virtioConsole()) {
      add(virtio(new VirtioConsole(parts.virtioConsole())));
    }
    for (Hardware.Share f : parts.hardware().shares()) {
      add(virtio(new VirtioFs(f.tag(), f.server())));
    }
    List<SataDrive> sata = new ArrayList<>();
    List<Hardware.Drive> ports = new ArrayList<>();
    for (Hardware.Drive d : parts.hardware().drives()) {
      if (d.virtio()) {
        boots(d, "scsi@%x/disk@0,0".formatted(add(virtio(new VirtioBlock(d.disk())))));
      } else {
        sata.add(new SataDrive(d.disk(), d.cdRom()));
        ports.add(d);
      }
    }
    if (sata.size() > Ahci.PORTS) {
      throw new IllegalArgumentException(
          "there are " + sata.size() + " disks with if=ide, but only " + Ahci.PORTS + " ports");
    }
    if (!sata.isEmpty()) {
      int slot = add(new Ahci(parts.memory(), sata, platform.work));
      for (int i = 0; i < ports.size(); i++) {
        boots(ports.get(i), "pci8086,2922@%x/drive@%x/disk@0".formatted(slot, i));
      }
    }
  }

  private PciDevice virtio(VirtioDevice d) {
    return new VirtioPci(d, parts.memory(), parts.encrypted(), platform.work);
  }

  /** A drive that firmware may boot from, by its name in Open Firmware's tree below the bus. */
  private void boots(Hardware.Drive d, String name) {
    if (d.bootIndex() >= 0) {
      bootOrder.computeIfAbsent(d.bootIndex(), i -> new ArrayList<>()).add("/pci@i0cf8/" + name);
    }
  }

  /** {@return the slot that a device has got} */
  private int add(PciDevice d) {
    int slot = pci.freeDevice();
    if (slot < 0) {
      throw new IllegalArgumentException("there are more devices than PCI slots: leave some out");
    }
    pci.add(slot, d, router.pin(slot));
    return slot;
  }

  /** What ACPI tables say of the board as it is now. */
  private Board described() {
    Q35Host h = host;
    return describe(
        express,
        parts.processors(),
        parts.memory().ram(),
        // Before firmware has said where: tables must not change their length.
        h == null ? 0 : h.base() == 0 ? ECAM_BASE : h.base(),
        h == null ? ECAM_BUSES : h.buses(),
        pm.base(),
        !parts.encrypted());
  }

  private static Board describe(
      boolean express,
      int processors,
      GuestRam ram,
      long ecam,
      int buses,
      int pmBase,
      boolean sleeps) {
    return new Board(
        processors,
        ram,
        express,
        ecam,
        buses,
        pmBase,
        express ? FIRST_INPUT_Q35 : FIRST_INPUT_PC,
        express ? ROUTES_Q35 : ROUTES_PC,
        express ? LPC : 1,
        sleeps);
  }

  /**
   * {@return what ACPI tables say of a board that firmware has set up}
   *
   * @param board {@link Hardware.Board#PC} or {@link Hardware.Board#Q35}
   * @param sleeps software may suspend: nobody can wake a guest whose memory firmware cannot read
   */
  public static Board describe(Hardware.Board board, int processors, GuestRam ram, boolean sleeps) {
    boolean express = board == Hardware.Board.Q35;
    return describe(express, processors, ram, express ? ECAM_BASE : 0, ECAM_BUSES, PM_BASE, sleeps);
  }

  /**
   * {@return where a board has its RAM}
   *
   * @param board {@link Hardware.Board#MINIMAL} has it where {@link Hardware.Board#PC} does
   */
  static GuestRam ram(Hardware.Board board, long bytes) {
    boolean express = board == Hardware.Board.Q35;
    long hole = express ? HOLE_Q35 : HOLE_PC;
    return bytes < (express ? MOST_Q35 : MOST_PC)
        ? GuestRam.below(bytes)
        : GuestRam.split(bytes, hole);
  }

  /** {@return the SMBIOS tables of a board} */
  public static SmbiosTables describe(
      Smbios s, Hardware.Board board, int processors, GuestRam ram) {
    return new SmbiosTables(
        board == Hardware.Board.Q35 ? "Standard PC (Q35 + ICH9)" : "Standard PC (i440FX + PIIX)",
        processors,
        ram,
        s.fields(),
        s.oemStrings(),
        s.structures(),
        s.uuid());
  }

  // ---- firmware

  private void configuration() {
    FwCfg cfg = new FwCfg(parts.memory(), platform.work);
    platform.firmwareConfiguration(cfg);
    platform.ports.attach(cfg, 0x510, 0x51B);
    GuestRam ram = parts.memory().ram();
    cfg.number(FwCfg.RAM_SIZE, 8, ram.bytes());
    cfg.number(FwCfg.NB_CPUS, 2, parts.processors());
    cfg.number(FwCfg.MAX_CPUS, 2, parts.processors());
    cfg.file("etc/e820", e820(ram));
    Hardware.Screen screen = parts.hardware().screen();
    if (screen == null) {
      // SeaBIOS shows on COM1 what would be on a screen.
      ByteBuffer port = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
      cfg.file("etc/sercon-port", port.putLong(0x3F8).array());
    } else if (screen.bios().length > 0) {
      cfg.file("pci1234,1111.rom", screen.bios());
    }
    if (!parts.encrypted()) {
      // S0, S3 with its type, S4 with its type, S5 (QEMU's etc/system-states).
      int there = 0x80;
      byte[] states = {
        (byte) there,
        0,
        0,
        (byte) (there | AcpiPm.SUSPEND),
        (byte) (there | AcpiPm.HIBERNATE),
        (byte) there
      };
      cfg.file("etc/system-states", states);
    }
    // Tables speak of what firmware has set up by the time that it reads them.
    cfg.file(AcpiTables.TABLES, () -> new AcpiTables(described()).tables());
    cfg.file(AcpiTables.RSDP, () -> new AcpiTables(described()).rsdp());
    cfg.file(AcpiTables.LOADER, () -> new AcpiTables(described()).loader());
    Smbios said = parts.hardware().smbios();
    if (said != null) {
      smbios(cfg, said);
    }
    parts.hardware().items().forEach(i -> cfg.file(i.name(), i.content()));
    Platform.PlacedFirmware f = parts.firmware();
    if (f != null) {
      kernel(cfg, f);
    }
    booting(cfg);
  }

  /** {@return RAM as firmware is told of it: address, length and type of each part} */
  static byte[] e820(GuestRam ram) {
    boolean two = ram.above4G() > 0;
    ByteBuffer b = ByteBuffer.allocate(two ? 40 : 20).order(ByteOrder.LITTLE_ENDIAN);
    b.putLong(0).putLong(ram.below4G()).putInt(1);
    if (two) {
      b.putLong(GuestRam.FOUR_GIB).putLong(ram.above4G()).putInt(1);
    }
    return b.array();
  }

  private void smbios(FwCfg cfg, Smbios said) {
    SmbiosTables t = describe(said, parts.board(), parts.processors(), parts.memory().ram());
    cfg.file(SmbiosTables.TABLES, t.tables());
    cfg.file(SmbiosTables.ANCHOR, t.anchor(0));
    UUID uuid = said.uuid();
    if (uuid != null) {
      ByteBuffer b = ByteBuffer.allocate(16).putLong(uuid.getMostSignificantBits());
      cfg.put(FwCfg.UUID, b.putLong(uuid.getLeastSignificantBits()).array());
    }
  }

  private void firmware(Platform.PlacedFirmware f) {
    if (f.writable()) {
      parts.mmio().memory(f.base(), f.bytes());
      return;
    }
    long code = f.base() + f.variables();
    int codeBytes = f.bytes() - f.variables();
    parts.mmio().rom(code, codeBytes);
    platform.mmio.attach(new Rom(parts.memory(), code, codeBytes), code, codeBytes);
    if (f.variables() > 0) {
      ParallelFlash flash =
          new ParallelFlash(parts.memory(), f.base(), f.variables(), parts.mmio()::changed);
      parts.mmio().flash(flash, f.base(), f.variables());
      platform.mmio.attach(flash, f.base(), f.variables());
    }
  }

  /** The kernel's real-mode part and the rest apart, as firmware wants them. */
  private void kernel(FwCfg cfg, Platform.PlacedFirmware f) {
    byte[] k = f.kernel();
    if (k == null || k.length < 0x202) {
      return;
    }
    int sectors = k[0x1F1] == 0 ? 4 : k[0x1F1] & 0xFF;
    int setup = Math.min(k.length, (sectors + 1) * 512);
    cfg.number(FwCfg.SETUP_SIZE, 4, setup);
    byte[] realMode = Arrays.copyOf(k, setup);
    cfg.put(FwCfg.SETUP_DATA, realMode);
    cfg.number(FwCfg.KERNEL_SIZE, 4, k.length - setup);
    cfg.put(FwCfg.KERNEL_DATA, Arrays.copyOfRange(k, setup, k.length));
    byte[] line = (f.commandLine() + "\0").getBytes(StandardCharsets.ISO_8859_1);
    cfg.number(FwCfg.CMDLINE_SIZE, 4, line.length);
    cfg.put(FwCfg.CMDLINE_DATA, line);
    byte[] disk = f.initrd();
    int diskBytes = disk == null ? 0 : disk.length;
    if (!parts.encrypted()) {
      // What an encrypted guest is handed is measured as it is, and no BIOS runs there.
      long ram = parts.memory().ram().below4G();
      bootRom(cfg, LinuxBootRom.of(realMode, k.length - setup, line.length, diskBytes, ram));
    }
    if (disk != null) {
      cfg.number(FwCfg.INITRD_SIZE, 4, disk.length);
      cfg.put(FwCfg.INITRD_DATA, disk);
    }
  }

  private void bootRom(FwCfg cfg, @Nullable LinuxBootRom rom) {
    if (rom != null) {
      cfg.put(FwCfg.SETUP_DATA, rom.setup());
      cfg.file(LinuxBootRom.FILE, rom.rom());
      firstToBoot = LinuxBootRom.BOOT_ORDER_ENTRY;
    }
  }

  /** What a person has said about booting, and which drives come first (QEMU's bootorder). */
  private void booting(FwCfg cfg) {
    BootOptions b = parts.hardware().boot();
    List<String> order = new ArrayList<>();
    if (!firstToBoot.isEmpty()) {
      order.add(firstToBoot);
    }
    bootOrder.values().forEach(order::addAll);
    if (b != null) {
      platform.boots(b);
      cfg.number(FwCfg.BOOT_MENU, 2, b.menu() ? 1 : 0);
      b.menuMillis().ifPresent(ms -> cfg.file("etc/boot-menu-wait", littleEndian(2, ms)));
      b.retryMillis().ifPresent(ms -> cfg.file("etc/boot-fail-wait", littleEndian(4, ms)));
      if (b.strict()) {
        order.add("HALT");
      }
    }
    if (!order.isEmpty()) {
      String lines = String.join("\n", order) + "\0";
      cfg.file("bootorder", lines.getBytes(StandardCharsets.US_ASCII));
    }
  }

  private static byte[] littleEndian(int bytes, int v) {
    byte[] four = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(v).array();
    return Arrays.copyOf(four, bytes);
  }

  /** What firmware has done when it enters a kernel. */
  private void afterFirmware() {
    Q35Host h = host;
    if (h != null) {
      h.writeConfig(0x64, 4, 0);
      h.writeConfig(0x60, 4, (int) ECAM_BASE | 1);
    }
    for (int i = 0; i < PIRQ_LINES.length; i++) {
      router.route(i, PIRQ_LINES[i]);
    }
    powerManagement.writeConfig(0x40, 4, PM_BASE | 1);
    powerManagement.writeConfig(express ? 0x44 : 0x80, 1, express ? 0x80 : 1);
    boolean low = parts.memory().ram().below4G() <= MEMORY_WINDOW;
    pci.assign(
        IO_WINDOW, low ? MEMORY_WINDOW : HIGH_MEMORY_WINDOW, d -> PIRQ_LINES[PirqRouter.pirqOf(d)]);
    // Level-triggered lines of the 8259 pair: those of PCI, and the SCI.
    platform.ports.write(0x4D1, 1, 0x0E);
  }
}
