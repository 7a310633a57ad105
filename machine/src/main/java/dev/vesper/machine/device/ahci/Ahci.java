package dev.vesper.machine.device.ahci;

import dev.vesper.machine.device.DeviceWork;
import dev.vesper.machine.device.MmioDevice;
import dev.vesper.machine.device.pci.PciDevice;
import dev.vesper.machine.memory.HostView;
import java.util.List;

/**
 * The AHCI controller of an ICH9 (Serial ATA AHCI 1.3.1): six ports with a disk, a CD-ROM drive or
 * nothing, command lists in guest memory, native command queuing. Commands are finished when they
 * are issued, before any instruction after that.
 */
public final class Ahci extends PciDevice implements MmioDevice {
  /** Disks that it can have. */
  public static final int PORTS = 6;

  private static final int ID = 0x2922_8086;
  private static final int CLASS = 0x0106_0102;
  private static final int SUBSYSTEM = 0x1100_1AF4;
  private static final int BAR_BYTES = 4096;

  private static final int CAP_AHCI_ONLY = 1 << 18;
  private static final int CAP_NCQ = 1 << 30;
  private static final int CAP_64 = 1 << 31;
  private static final int SLOTS = 32;
  private static final int GHC_RESET = 1;
  private static final int GHC_INTERRUPTS = 2;
  private static final int GHC_AHCI = 1 << 31;

  private final AhciPort[] ports = new AhciPort[PORTS];
  private int control = GHC_AHCI;
  private int status;

  /**
   * @param memory guest memory as the host sees it
   * @param drives at most {@link #PORTS}
   * @param work says how much is done in one go
   */
  public Ahci(HostView memory, List<SataDrive> drives, DeviceWork work) {
    super(ID, CLASS, SUBSYSTEM, true);
    for (int i = 0; i < PORTS; i++) {
      SataDrive d = i < drives.size() ? drives.get(i) : null;
      ports[i] = new AhciPort(memory, d, work, this::update);
    }
    memoryBar(5, BAR_BYTES, this);
    msi();
  }

  private void update() {
    for (int i = 0; i < PORTS; i++) {
      if (ports[i].interrupting()) {
        status |= 1 << i;
      }
    }
    interrupt(status != 0 && (control & GHC_INTERRUPTS) != 0);
  }

  private int word(int offset) {
    if (offset >= 0x100) {
      int port = offset - 0x100 >> 7;
      return port < PORTS ? ports[port].read(offset & 0x7F) : 0;
    }
    return switch (offset) {
      case 0 -> CAP_64 | CAP_NCQ | CAP_AHCI_ONLY | SLOTS - 1 << 8 | 1 << 20 | PORTS - 1;
      case 4 -> control;
      case 8 -> status;
      case 0xC -> (1 << PORTS) - 1;
      case 0x10 -> 0x0001_0300;
      default -> 0;
    };
  }

  @Override
  public int width(long offset) {
    return 4;
  }

  @Override
  public long read(long offset, int bytes) {
    return (word((int) offset & ~3) & 0xFFFF_FFFFL) >>> 8 * ((int) offset & 3);
  }

  @Override
  public void write(long offset, int bytes, long value) {
    // Only whole words can be written.
    if (bytes == 4) {
      put((int) offset, (int) value);
      update();
    }
  }

  private void put(int offset, int v) {
    if (offset >= 0x100) {
      int port = offset - 0x100 >> 7;
      if (port < PORTS) {
        ports[port].write(offset & 0x7F, v);
      }
      return;
    }
    switch (offset) {
      case 4 -> {
        if ((v & GHC_RESET) != 0) {
          control = GHC_AHCI;
          status = 0;
          for (AhciPort p : ports) {
            p.reset();
          }
        } else {
          control = GHC_AHCI | v & GHC_INTERRUPTS;
        }
      }
      case 8 -> status &= ~v;
      default -> {
        // read-only
      }
    }
  }
}
