package dev.vesper.machine.device.virtio;

import dev.vesper.machine.device.DeviceWork;
import dev.vesper.machine.device.MmioDevice;
import dev.vesper.machine.device.pci.PciDevice;
import dev.vesper.machine.memory.HostView;
import java.util.Arrays;

/**
 * The virtio transport over PCI (virtio 1.2, 4.1): common, ISR, device and notification structures
 * of 4 KiB each in BAR 4, MSI-X in BAR 1. There is no legacy interface.
 */
public final class VirtioPci extends PciDevice implements MmioDevice {
  /** Most descriptors in a queue. */
  static final int QUEUE_SIZE = 256;

  /** VIRTIO_F_INDIRECT_DESC. */
  static final long INDIRECT = 1L << 28;

  /** VIRTIO_F_EVENT_IDX. */
  static final long EVENT_INDEX = 1L << 29;

  /** VIRTIO_F_VERSION_1. */
  static final long VERSION_1 = 1L << 32;

  /** VIRTIO_F_ACCESS_PLATFORM: a guest with encrypted memory must share what it offers. */
  static final long ACCESS_PLATFORM = 1L << 33;

  private static final int VENDOR = 0x1AF4;
  private static final int FIRST_ID = 0x1040;
  private static final int SUBSYSTEM = 0x1100_1AF4;
  private static final int NO_VECTOR = 0xFFFF;
  private static final int FEATURES_OK = 8;
  private static final int DRIVER_OK = 4;
  private static final int NEEDS_RESET = 0x40;
  private static final int ISR_QUEUE = 1;
  private static final int ISR_CONFIG = 2;

  private static final int COMMON = 0;
  private static final int ISR = 0x1000;
  private static final int DEVICE = 0x2000;
  private static final int NOTIFY = 0x3000;
  private static final int BAR_BYTES = 0x4000;

  /** Registers of one queue. */
  private static final class Queue {
    final Virtqueue ring;
    int size = QUEUE_SIZE;
    int vector = NO_VECTOR;
    boolean enabled;
    long descriptors;
    long driver;
    long device;

    /** Goes on with what was too much for one go. */
    final Runnable rest;

    Queue(HostView memory, DeviceWork work, Runnable rest) {
      ring = new Virtqueue(memory, work);
      this.rest = rest;
    }

    void reset() {
      ring.reset();
      size = QUEUE_SIZE;
      vector = NO_VECTOR;
      enabled = false;
      descriptors = 0;
      driver = 0;
      device = 0;
    }
  }

  private final VirtioDevice device;
  private final DeviceWork work;
  private final Queue[] queues;
  private final long offered;
  private long accepted;
  private int deviceSelect;
  private int driverSelect;
  private int configVector = NO_VECTOR;
  private int status;
  private int select;
  private int isr;
  private int window;

  /**
   * Puts a device behind the transport.
   *
   * @param encrypted the guest's memory is encrypted: it is told to share what it offers
   * @param work says how much is done in one go
   */
  public VirtioPci(VirtioDevice device, HostView memory, boolean encrypted, DeviceWork work) {
    super(FIRST_ID + device.type() << 16 | VENDOR, device.classCode() | 1, SUBSYSTEM, true);
    this.device = device;
    this.work = work;
    offered =
        device.features() | VERSION_1 | INDIRECT | EVENT_INDEX | (encrypted ? ACCESS_PLATFORM : 0);
    queues = new Queue[device.queues()];
    for (int i = 0; i < queues.length; i++) {
      int n = i;
      queues[i] = new Queue(memory, work, () -> work(n));
    }
    msiX(1, device.queues() + 1);
    wideBar(4, BAR_BYTES, this);
    structure(1, COMMON, 0x1000, -1);
    structure(3, ISR, 0x1000, -1);
    structure(4, DEVICE, 0x1000, -1);
    structure(2, NOTIFY, 0x1000, 4);
    window = structure(5, 0, 0, 0);
    allow(window + 4, 1, 0xFF);
    allow(window + 8, 4, -1);
    allow(window + 12, 4, -1);
    allow(window + 16, 4, -1);
    device.connect(this::work);
  }

  /** Adds a vendor capability that says where a structure is. */
  private int structure(int kind, int offset, int length, int more) {
    byte[] b = new byte[more < 0 ? 14 : 18];
    b[0] = (byte) (b.length + 2);
    b[1] = (byte) kind;
    b[2] = 4;
    for (int i = 0; i < 4; i++) {
      b[6 + i] = (byte) (offset >> 8 * i);
      b[10 + i] = (byte) (length >> 8 * i);
    }
    if (more > 0) {
      b[14] = (byte) more;
    }
    return capability(9, b);
  }

  // ---- the window in configuration space (4.1.4.9)

  private long windowOffset() {
    int at = configured(window + 8, 4);
    return configured(window + 4, 1) == 4 && at >= 0 && at < BAR_BYTES ? at : -1;
  }

  private int windowLength() {
    int n = configured(window + 12, 4);
    return n == 1 || n == 2 || n == 4 ? n : 0;
  }

  @Override
  public int readConfig(int at, int bytes) {
    if (at == window + 16 && windowOffset() >= 0 && windowLength() > 0) {
      configure(at, 4, (int) read(windowOffset(), windowLength()));
    }
    return super.readConfig(at, bytes);
  }

  @Override
  protected void configurationWritten(int at, int bytes) {
    if (at == window + 16 && windowOffset() >= 0 && windowLength() > 0) {
      long mask = -1L >>> 64 - 8 * windowLength();
      write(windowOffset(), windowLength(), configured(at, 4) & mask);
    }
  }

  // ---- the structures

  @Override
  public int width(long offset) {
    int o = (int) offset & 0xFFF;
    return switch ((int) offset & 0xF000) {
      case COMMON -> o < 0x10 || o >= 0x20 ? 4 : o == 0x14 || o == 0x15 ? 1 : 2;
      case ISR -> 1;
      default -> 4;
    };
  }

  @Override
  public long read(long offset, int bytes) {
    int o = (int) offset & 0xFFF;
    return switch ((int) offset & 0xF000) {
      case COMMON -> common(o);
      case ISR -> {
        if (o != 0) {
          yield 0;
        }
        int v = isr;
        isr = 0;
        interrupt(false);
        yield v;
      }
      case DEVICE -> {
        long v = 0;
        for (int i = bytes - 1; i >= 0; i--) {
          v = v << 8 | device.config(o + i) & 0xFF;
        }
        yield v;
      }
      default -> 0;
    };
  }

  private long common(int o) {
    Queue q = select < queues.length ? queues[select] : null;
    if (o >= 0x20 && o < 0x38) {
      long v = q == null ? 0 : o < 0x28 ? q.descriptors : o < 0x30 ? q.driver : q.device;
      return v >>> 8 * (o & 7);
    }
    return switch (o) {
      case 0x00 -> deviceSelect & 0xFFFF_FFFFL;
      case 0x04 -> half(offered, deviceSelect);
      case 0x08 -> driverSelect & 0xFFFF_FFFFL;
      case 0x0C -> half(accepted, driverSelect);
      case 0x10 -> configVector;
      case 0x12 -> queues.length;
      case 0x14 -> status;
      case 0x15 -> 0;
      case 0x16 -> select;
      case 0x18 -> q == null ? 0 : q.size;
      case 0x1A -> q == null ? NO_VECTOR : q.vector;
      case 0x1C -> q != null && q.enabled ? 1 : 0;
      case 0x1E -> select;
      default -> 0;
    };
  }

  private static long half(long features, int n) {
    return n == 0 ? features & 0xFFFF_FFFFL : n == 1 ? features >>> 32 : 0;
  }

  @Override
  public void write(long offset, int bytes, long value) {
    int o = (int) offset & 0xFFF;
    switch ((int) offset & 0xF000) {
      case COMMON -> setCommon(o, bytes, value);
      case NOTIFY -> work(o / 4);
      default -> {
        // the ISR is read-only, and no device here has configuration to write
      }
    }
  }

  private void setCommon(int o, int bytes, long v) {
    Queue q = select < queues.length ? queues[select] : null;
    int word = (int) v & 0xFFFF;
    switch (o) {
      case 0x00 -> deviceSelect = (int) v;
      case 0x08 -> driverSelect = (int) v;
      case 0x0C -> {
        if ((status & FEATURES_OK) == 0) {
          long keep = driverSelect == 0 ? accepted & ~0xFFFF_FFFFL : accepted & 0xFFFF_FFFFL;
          long set = driverSelect == 0 ? v & 0xFFFF_FFFFL : driverSelect == 1 ? v << 32 : accepted;
          accepted = driverSelect > 1 || driverSelect < 0 ? accepted : keep | set;
        }
      }
      case 0x10 -> configVector = word <= queues.length ? word : NO_VECTOR;
      case 0x14 -> setStatus((int) v & 0xFF);
      case 0x16 -> select = word;
      case 0x18 -> {
        if (q != null && !q.enabled && word <= QUEUE_SIZE && Integer.bitCount(word) == 1) {
          q.size = word;
        }
      }
      case 0x1A -> {
        if (q != null) {
          q.vector = word <= queues.length ? word : NO_VECTOR;
        }
      }
      case 0x1C -> {
        if (q != null && word == 1 && !q.enabled) {
          enable(q);
        }
      }
      default -> {
        if (q != null && !q.enabled && o >= 0x20 && o < 0x38 && bytes == 4) {
          address(q, o, v);
        }
      }
    }
  }

  private static void address(Queue q, int o, long v) {
    long old = o < 0x28 ? q.descriptors : o < 0x30 ? q.driver : q.device;
    int shift = 8 * (o & 4);
    long mask = 0xFFFF_FFFFL << shift;
    long now = old & ~mask | v << shift & mask;
    if (o < 0x28) {
      q.descriptors = now;
    } else if (o < 0x30) {
      q.driver = now;
    } else {
      q.device = now;
    }
  }

  private void enable(Queue q) {
    q.enabled = true;
    if (!q.ring.start(q.size, q.descriptors, q.driver, q.device)) {
      broken();
    }
    q.ring.features((accepted & EVENT_INDEX) != 0, (accepted & INDIRECT) != 0);
  }

  private void setStatus(int v) {
    if (v == 0) {
      status = 0;
      accepted = 0;
      select = 0;
      isr = 0;
      configVector = NO_VECTOR;
      Arrays.stream(queues).forEach(Queue::reset);
      device.reset();
      interrupt(false);
      return;
    }
    int next = v | status & NEEDS_RESET;
    if ((v & FEATURES_OK) != 0 && (status & FEATURES_OK) == 0) {
      boolean known = (accepted & ~offered) == 0 && (accepted & VERSION_1) != 0;
      if (!known) {
        next &= ~FEATURES_OK;
      } else {
        device.negotiated(true);
      }
    }
    boolean starts = (next & DRIVER_OK) != 0 && (status & DRIVER_OK) == 0;
    status = next;
    if (starts) {
      for (int i = 0; i < queues.length; i++) {
        work(i);
      }
    }
  }

  private void broken() {
    if ((status & NEEDS_RESET) == 0) {
      status |= NEEDS_RESET;
      isr |= ISR_CONFIG;
      raise(configVector);
    }
  }

  private void raise(int vector) {
    if (msiXEnabled()) {
      message(vector);
    } else {
      interrupt(true);
    }
  }

  private void work(int n) {
    if (n >= queues.length || (status & (NEEDS_RESET | DRIVER_OK)) != DRIVER_OK) {
      return;
    }
    Queue q = queues[n];
    switch (q.ring.work(device, n)) {
      case BROKEN -> broken();
      case INTERRUPT -> {
        isr |= ISR_QUEUE;
        raise(q.vector);
      }
      case QUIET -> {
        // nobody waits
      }
    }
    if (q.ring.unfinished()) {
      work.later(q.rest);
    }
  }
}
