package dev.vesper.machine.vmm;

import dev.vesper.machine.device.net.Network;
import dev.vesper.machine.device.pci.PciBridge;
import dev.vesper.machine.device.pci.PciBus;
import dev.vesper.machine.device.virtio.LegacyVirtioPci;
import dev.vesper.machine.device.virtio.VirtioBlock;
import dev.vesper.machine.device.virtio.VirtioConsole;
import dev.vesper.machine.device.virtio.VirtioDevice;
import dev.vesper.machine.device.virtio.VirtioEntropy;
import dev.vesper.machine.device.virtio.VirtioNet;
import dev.vesper.machine.device.virtio.VirtioVmmci;
import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.spec.Hardware;

/**
 * vmd(8)'s machine (spec: openbsd section 4.4): PIT, RTC, 8259 pair, COM1, and PCI mechanism 1 with
 * a host bridge and legacy virtio entropy, network and block devices and the control interface,
 * whose ports the host has placed and whose interrupts are lines of the 8259 pair. A virtio console
 * is there if it is asked for; vmd has none.
 */
final class VmdBoard {
  private static final int HOST_BRIDGE = 0x0666_0B5D;
  private static final long HOLE = 0xF000_0000L;
  private static final int FIRST_PORT = 0x1000;
  private static final int PORTS = 0x1000;
  private static final int MOST_DEVICES = 15;

  /** Lines that devices get in turn. */
  private static final int[] LINES = {3, 5, 6, 7, 9, 10, 11, 12, 14, 15};

  private final Platform platform;
  private final Platform.Parts parts;
  private final PciBus pci;
  private transient int slot = 1;

  private VmdBoard(Platform.Parts parts) {
    this.parts = parts;
    platform = new Platform(parts, null, null, false);
    pci = new PciBus(platform.ports, platform.mmio, parts.messages());
    platform.pci = pci;
  }

  /** {@return where vmd(8) has a guest's RAM: its devices would be from F0000000h on} */
  static GuestRam ram(long bytes) {
    return GuestRam.split(bytes, HOLE);
  }

  static Platform of(Platform.Parts p) {
    VmdBoard b = new VmdBoard(p);
    b.platform.ports.attach(b.pci, 0xCF8, 0xCFF);
    b.pci.add(0, 0, new PciBridge(HOST_BRIDGE, 0x0600_0000, false));
    b.add(new VirtioEntropy(p.seed()));
    int nic = 0;
    for (Network n : p.hardware().networks()) {
      VirtioNet adapter = new VirtioNet(address(nic++), n);
      b.add(adapter);
      b.platform.network(adapter, n);
    }
    for (Hardware.Drive d : p.hardware().drives()) {
      b.add(new VirtioBlock(d.disk()));
    }
    VirtioVmmci control =
        new VirtioVmmci(p.clock(), b.platform.startSeconds(), b.platform.reset::powerOff);
    b.add(control);
    b.platform.timed(control);
    if (p.hardware().virtioConsole()) {
      b.add(new VirtioConsole(p.virtioConsole()));
    }
    return b.platform;
  }

  /** vmd's addresses begin so; the last two bytes, which it draws, count here. */
  private static byte[] address(int nic) {
    return new byte[] {(byte) 0xFE, (byte) 0xE1, (byte) 0xBB, (byte) (0xD1 + nic), 0, (byte) nic};
  }

  private void add(VirtioDevice d) {
    if (slot > MOST_DEVICES) {
      throw new IllegalArgumentException(
          "the board of profile openbsd has ports for " + MOST_DEVICES + " devices");
    }
    LegacyVirtioPci f = new LegacyVirtioPci(d, parts.memory(), platform.work);
    int line = LINES[(slot - 1) % LINES.length];
    pci.add(slot, f, on -> platform.lines.line(line, on));
    pci.place(slot, FIRST_PORT + (slot - 1) * PORTS, line);
    slot++;
  }
}
