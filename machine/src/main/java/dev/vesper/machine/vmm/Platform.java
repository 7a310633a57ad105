package dev.vesper.machine.vmm;

import dev.vesper.machine.device.CmosRtc;
import dev.vesper.machine.device.DebugConsole;
import dev.vesper.machine.device.PciBus;
import dev.vesper.machine.device.Pic8259;
import dev.vesper.machine.device.Pit8254;
import dev.vesper.machine.device.PortBus;
import dev.vesper.machine.device.ResetPorts;
import dev.vesper.machine.device.Timed;
import dev.vesper.machine.device.Uart16550;
import dev.vesper.machine.device.VirtioBlock;
import dev.vesper.machine.device.VirtioConsole;
import dev.vesper.machine.device.VirtioEntropy;
import dev.vesper.machine.device.VirtioPci;
import dev.vesper.machine.memory.HostView;
import java.util.function.LongSupplier;

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
   */
  public record Parts(
      LongSupplier clock,
      HostView memory,
      Uart16550.Sink console,
      Uart16550.Sink debug,
      Uart16550.Sink virtioConsole,
      VirtioBlock.Disk disk,
      long seed,
      long apJumpTable) {}

  /** 2024-01-01 00:00:00 UTC: where the clock starts in every run. */
  static final long START_SECONDS = 1_704_067_200L;

  private static final int HOST_BRIDGE_VMD = 0x0666_0B5D;

  final PortBus ports = new PortBus();
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
    m.ports.attach(m.reset, 0x60, 0x60);
    m.ports.attach(m.reset, 0x64, 0x64);
    m.ports.attach(m.reset, 0x92, 0x92);
    PciBus pci = new PciBus(m.ports);
    m.ports.attach(pci, 0xCF8, 0xCFF);
    m.ports.attach(m.reset, 0xCF9, 0xCF9);
    return m;
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
