package dev.vesper.machine.device.virtio;

import dev.vesper.machine.device.DeviceWork;
import dev.vesper.machine.device.MmioDevice;
import dev.vesper.machine.device.pci.PciDevice;
import dev.vesper.machine.memory.HostView;

/**
 * The legacy virtio transport over PCI (virtio 0.9.5, section 2): registers in an I/O BAR, queues
 * of 128 in guest memory, an interrupt line. A chain that makes no sense stops the device until it
 * is reset.
 */
public final class LegacyVirtioPci extends PciDevice implements MmioDevice {
  /** Descriptors in a queue. */
  static final int QUEUE_SIZE = 128;

  private static final int OPENBSD = 0x0B5D;
  private static final int CONFIG = 0x14;
  private static final int BAR_BYTES = 64;
  private static final int NEEDS_RESET = 0x40;
  private static final int USED = align(16 * QUEUE_SIZE + 6 + 2 * QUEUE_SIZE);

  private static int align(int n) {
    return n + 4095 & -4096;
  }

  private final VirtioDevice device;
  private final int[] pfn;
  private final Virtqueue[] queues;
  private final DeviceWork work;

  /** For each queue, what goes on with what was too much for one go. */
  private final Runnable[] rest;

  private int guestFeatures;
  private int select;
  private int status;
  private int isr;

  /**
   * Puts a device behind the transport.
   *
   * @param work says how much is done in one go
   */
  public LegacyVirtioPci(VirtioDevice device, HostView memory, DeviceWork work) {
    super(device.legacyId(), device.classCode(), device.type() << 16 | OPENBSD, true);
    this.device = device;
    this.work = work;
    pfn = new int[device.queues()];
    queues = new Virtqueue[device.queues()];
    rest = new Runnable[queues.length];
    for (int i = 0; i < queues.length; i++) {
      int n = i;
      queues[i] = new Virtqueue(memory, work);
      rest[i] = () -> work(n);
    }
    ioBar(0, BAR_BYTES, this);
    device.connect(this::work);
  }

  @Override
  public int width(long at) {
    return at < 0x0C || at >= CONFIG ? 4 : at < 0x12 ? 2 : 1;
  }

  @Override
  public long read(long at, int bytes) {
    int offset = (int) at;
    return switch (offset) {
      case 0x00 -> device.features();
      case 0x04 -> guestFeatures;
      case 0x08 -> select < pfn.length ? pfn[select] : 0;
      case 0x0C -> select < pfn.length ? QUEUE_SIZE : 0;
      case 0x0E -> select;
      case 0x12 -> status;
      case 0x13 -> {
        int v = isr;
        isr = 0;
        interrupt(false);
        yield v;
      }
      default -> {
        int v = 0;
        for (int i = bytes - 1; i >= 0; i--) {
          v = v << 8 | (offset >= CONFIG ? device.config(offset - CONFIG + i) & 0xFF : 0);
        }
        yield v;
      }
    };
  }

  @Override
  public void write(long at, int bytes, long v) {
    int value = (int) v;
    switch ((int) at) {
      case 0x04 -> guestFeatures = value & (int) device.features();
      case 0x08 -> {
        if (select < pfn.length) {
          place(select, value);
        }
      }
      case 0x0E -> select = value & 0xFFFF;
      case 0x10 -> work(value & 0xFFFF);
      case 0x12 -> {
        status = value & 0xFF;
        if (status == 0) {
          reset();
        } else if ((status & 4) != 0) {
          device.negotiated(false);
        }
      }
      default -> {
        if (at >= CONFIG) {
          device.configure((int) at - CONFIG, value);
        }
      }
    }
  }

  private void place(int q, int frame) {
    pfn[q] = frame;
    long base = (frame & 0xFFFF_FFFFL) << 12;
    if (frame == 0) {
      queues[q].reset();
    } else {
      queues[q].start(QUEUE_SIZE, base, base + 16L * QUEUE_SIZE, base + USED);
    }
  }

  private void reset() {
    guestFeatures = 0;
    select = 0;
    isr = 0;
    java.util.Arrays.fill(pfn, 0);
    for (Virtqueue q : queues) {
      q.reset();
    }
    device.reset();
    interrupt(false);
  }

  private void work(int q) {
    if (q >= pfn.length || pfn[q] == 0 || (status & NEEDS_RESET) != 0) {
      return;
    }
    if (!queues[q].ready()) {
      status |= NEEDS_RESET;
      return;
    }
    switch (queues[q].work(device, q)) {
      case BROKEN -> status |= NEEDS_RESET;
      case INTERRUPT -> {
        isr |= 1;
        interrupt(true);
      }
      case QUIET -> {
        // nobody waits
      }
    }
    if (queues[q].unfinished()) {
      work.later(rest[q]);
    }
  }
}
