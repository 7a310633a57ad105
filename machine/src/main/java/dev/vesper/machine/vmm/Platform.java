package dev.vesper.machine.vmm;

import dev.vesper.machine.device.CmosRtc;
import dev.vesper.machine.device.DebugConsole;
import dev.vesper.machine.device.FwCfg;
import dev.vesper.machine.device.MmioBus;
import dev.vesper.machine.device.ParallelFlash;
import dev.vesper.machine.device.PciBridge;
import dev.vesper.machine.device.PciBus;
import dev.vesper.machine.device.Pic8259;
import dev.vesper.machine.device.Piix4Pm;
import dev.vesper.machine.device.Pit8254;
import dev.vesper.machine.device.PortBus;
import dev.vesper.machine.device.ResetPorts;
import dev.vesper.machine.device.Rom;
import dev.vesper.machine.device.Timed;
import dev.vesper.machine.device.Uart16550;
import dev.vesper.machine.device.VirtioBlock;
import dev.vesper.machine.device.VirtioConsole;
import dev.vesper.machine.device.VirtioEntropy;
import dev.vesper.machine.device.VirtioPci;
import dev.vesper.machine.memory.HostView;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The devices of a machine. Ports E9h, 402h and F4h are Vesper's own on every profile: debug
 * console and debug exit.
 */
public final class Platform {
  /**
   * What devices are made of.
   *
   * @param clock virtual time in nanoseconds
   * @param memory what devices see of guest memory
   * @param console where COM1 writes
   * @param debug where ports E9h and 402h write
   * @param virtioConsole where a virtio console writes
   * @param disk what a virtio block device reads and writes; of length 0 for none
   * @param seed decides what a virtio entropy device gives
   * @param apJumpTable address of the AP jump table that firmware has published, or 0
   * @param firmware what runs at reset, or null for a kernel that is entered directly
   */
  public record Parts(
      LongSupplier clock,
      HostView memory,
      Uart16550.Sink console,
      Uart16550.Sink debug,
      Uart16550.Sink virtioConsole,
      VirtioBlock.Disk disk,
      long seed,
      long apJumpTable,
      @Nullable Firmware firmware) {}

  /**
   * Firmware in a ROM, with variables in a flash before it, and what it is told.
   *
   * @param base guest physical address of both
   * @param bytes length of both
   * @param variables length of the flash, or 0
   * @param mmio where they appear
   * @param processors how many vCPUs there are
   * @param kernel a kernel that firmware boots by itself, or null
   * @param initrd its initial RAM disk, or null
   * @param commandLine its command line
   */
  public record Firmware(
      long base,
      int bytes,
      int variables,
      MmioMap mmio,
      int processors,
      byte @Nullable [] kernel,
      byte @Nullable [] initrd,
      String commandLine) {}

  /** 2024-01-01 00:00:00 UTC: where the clock starts in every run. */
  static final long START_SECONDS = 1_704_067_200L;

  private static final int HOST_BRIDGE_VMD = 0x0666_0B5D;
  private static final int HOST_BRIDGE_I440FX = 0x1237_8086;
  private static final int ISA_BRIDGE_PIIX3 = 0x7000_8086;

  final PortBus ports = new PortBus();
  final MmioBus mmio = new MmioBus();
  final Pic8259 pic = new Pic8259();
  final Pit8254 pit;
  final Uart16550 com1;
  final ResetPorts reset = new ResetPorts();
  private final long apJumpTable;

  private Platform(Parts p) {
    pit = new Pit8254(p.clock, pic);
    com1 = new Uart16550(0x3F8, 4, pic, p.console);
    apJumpTable = p.apJumpTable;
    ports.attach(pic, 0x20, 0x21);
    ports.attach(pic, 0xA0, 0xA1);
    ports.attach(pic, 0x4D0, 0x4D1);
    ports.attach(pit, 0x40, 0x43);
    ports.attach(pit, 0x61, 0x61);
    ports.attach(new CmosRtc(p.clock, START_SECONDS, p.memory.guestBytes()), 0x70, 0x71);
    ports.attach(com1, 0x3F8, 0x3FF);
    ports.attach(reset, 0xF4, 0xF4);
    DebugConsole d = new DebugConsole(p.debug);
    ports.attach(d, 0xE9, 0xE9);
    ports.attach(d, 0x402, 0x402);
  }

  /**
   * The minimal PC of the kvm profile (spec: platform 3.1): 8259 pair, 8254, 16550 on IRQ 4, CMOS
   * clock, keyboard controller reset, an empty PCI bus.
   */
  static Platform minimal(Parts p) {
    Platform m = new Platform(p);
    m.resetsAndPci();
    return m;
  }

  /** The ways to reset a PC, and its PCI bus. */
  private PciBus resetsAndPci() {
    ports.attach(reset, 0x60, 0x60);
    ports.attach(reset, 0x64, 0x64);
    ports.attach(reset, 0x92, 0x92);
    PciBus pci = new PciBus(ports);
    ports.attach(pci, 0xCF8, 0xCFF);
    ports.attach(reset, 0xCF9, 0xCF9);
    return pci;
  }

  /**
   * QEMU's machine {@code pc} as firmware finds it: i440FX host bridge, PIIX3 ISA bridge, PIIX4
   * power management, fw_cfg and firmware below 4 GiB.
   */
  static Platform pc(Parts p, Firmware f) {
    Platform m = new Platform(p);
    PciBus pci = m.resetsAndPci();
    pci.add(0, 0, new PciBridge(HOST_BRIDGE_I440FX, 0x0600_0002, false));
    pci.add(1, 0, new PciBridge(ISA_BRIDGE_PIIX3, 0x0601_0000, true));
    pci.add(1, 3, new Piix4Pm(m.ports, p.clock, m.reset::powerOff));
    FwCfg cfg = new FwCfg(p.memory);
    m.ports.attach(cfg, 0x510, 0x51B);
    long ram = p.memory.guestBytes();
    cfg.number(FwCfg.RAM_SIZE, 8, ram);
    cfg.number(FwCfg.NB_CPUS, 2, f.processors);
    cfg.number(FwCfg.MAX_CPUS, 2, f.processors);
    ByteBuffer e820 = ByteBuffer.allocate(20).order(ByteOrder.LITTLE_ENDIAN);
    cfg.file("etc/e820", e820.putLong(0).putLong(ram).putInt(1).array());
    kernel(cfg, f);
    long code = f.base + f.variables;
    int codeBytes = f.bytes - f.variables;
    f.mmio.rom(code, codeBytes);
    m.mmio.attach(new Rom(p.memory, code, codeBytes), code, codeBytes);
    if (f.variables > 0) {
      ParallelFlash flash = new ParallelFlash(p.memory, f.base, f.variables, f.mmio::changed);
      f.mmio.flash(flash, f.base, f.variables);
      m.mmio.attach(flash, f.base, f.variables);
    }
    return m;
  }

  /** The kernel's real-mode part and the rest apart, as firmware wants them. */
  private static void kernel(FwCfg cfg, Firmware f) {
    byte[] k = f.kernel;
    if (k == null || k.length < 0x202) {
      return;
    }
    int sectors = k[0x1F1] == 0 ? 4 : k[0x1F1] & 0xFF;
    int setup = Math.min(k.length, (sectors + 1) * 512);
    cfg.number(FwCfg.SETUP_SIZE, 4, setup);
    cfg.put(FwCfg.SETUP_DATA, Arrays.copyOf(k, setup));
    cfg.number(FwCfg.KERNEL_SIZE, 4, k.length - setup);
    cfg.put(FwCfg.KERNEL_DATA, Arrays.copyOfRange(k, setup, k.length));
    byte[] line = (f.commandLine + "\0").getBytes(StandardCharsets.ISO_8859_1);
    cfg.number(FwCfg.CMDLINE_SIZE, 4, line.length);
    cfg.put(FwCfg.CMDLINE_DATA, line);
    byte[] disk = f.initrd;
    if (disk != null) {
      cfg.number(FwCfg.INITRD_SIZE, 4, disk.length);
      cfg.put(FwCfg.INITRD_DATA, disk);
    }
  }

  /**
   * vmd(8)'s machine (spec: openbsd section 4.4): PIT, RTC, 8259 pair, COM1, and PCI mechanism 1
   * with a host bridge and virtio entropy, console and, with a disk, block devices.
   */
  static Platform vmd(Parts p) {
    Platform m = new Platform(p);
    PciBus pci = new PciBus(m.ports);
    m.ports.attach(pci, 0xCF8, 0xCFF);
    pci.addHostBridge(HOST_BRIDGE_VMD);
    int slot = 1;
    int io = 0x1000;
    pci.add(slot++, new VirtioPci(new VirtioEntropy(p.seed), p.memory, m.pic, 3), io);
    io += 0x1000;
    if (p.disk.sectors() > 0) {
      pci.add(slot++, new VirtioPci(new VirtioBlock(p.disk), p.memory, m.pic, 5), io);
      io += 0x1000;
    }
    pci.add(slot, new VirtioPci(new VirtioConsole(p.virtioConsole), p.memory, m.pic, 6), io);
    return m;
  }

  /** {@return when the next event of a device is due, or {@link Timed#NEVER}} */
  long nextEvent() {
    return pit.nextEvent();
  }

  /** Lets devices do what is due. */
  void advance(long now) {
    pit.advance(now);
  }

  /** {@return address of the AP jump table that firmware has published, or 0} */
  long apJumpTable() {
    return apJumpTable;
  }
}
