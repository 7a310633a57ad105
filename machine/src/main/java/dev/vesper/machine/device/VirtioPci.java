package dev.vesper.machine.device;

import dev.vesper.machine.memory.HostView;

/**
 * The legacy virtio transport over PCI (virtio 0.9.5, section 2): registers in an I/O BAR, queues
 * of 128 in guest memory, an interrupt line. What a guest writes into a queue is checked; a chain
 * that makes no sense stops the device until it is reset.
 */
public final class VirtioPci implements PciFunction {
  /** Descriptors in a queue. */
  static final int QUEUE_SIZE = 128;

  private static final int VENDOR = 0x1AF4;
  private static final int OPENBSD = 0x0B5D;
  private static final int CONFIG = 0x14;
  private static final int DESC_NEXT = 1;
  private static final int DESC_WRITE = 2;
  private static final int AVAIL_NO_INTERRUPT = 1;
  private static final int NEEDS_RESET = 0x40;
  private static final int USED = align(16 * QUEUE_SIZE + 6 + 2 * QUEUE_SIZE);
  private static final int QUEUE_BYTES = USED + align(6 + 8 * QUEUE_SIZE);

  private static int align(int n) {
    return n + 4095 & -4096;
  }

  private final VirtioDevice device;
  private final HostView memory;
  private final Pic8259 pic;
  private final int irq;
  private final int[] pfn;
  private final int[] seen;
  private int guestFeatures;
  private int select;
  private int status;
  private int isr;

  public VirtioPci(VirtioDevice device, HostView memory, Pic8259 pic, int irq) {
    this.device = device;
    this.memory = memory;
    this.pic = pic;
    this.irq = irq;
    pfn = new int[device.queues()];
    seen = new int[device.queues()];
  }

  @Override
  public int id() {
    // Transitional IDs: 1000h network, 1001h block, 1003h console, 1005h entropy.
    return 0x0FFF + device.type() + (device.type() == 4 ? 2 : device.type() == 3 ? 1 : 0) << 16
        | VENDOR;
  }

  @Override
  public int subsystem() {
    return device.type() << 16 | OPENBSD;
  }

  @Override
  public int classCode() {
    return device.classCode();
  }

  @Override
  public int barSize() {
    return 64;
  }

  @Override
  public int irq() {
    return irq;
  }

  @Override
  public int read(int offset, int bytes) {
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
        pic.line(irq, false);
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
  public void write(int offset, int bytes, int value) {
    switch (offset) {
      case 0x04 -> guestFeatures = value & device.features();
      case 0x08 -> {
        if (select < pfn.length) {
          pfn[select] = value;
          seen[select] = 0;
        }
      }
      case 0x0E -> select = value & 0xFFFF;
      case 0x10 -> notified(value & 0xFFFF);
      case 0x12 -> {
        status = value & 0xFF;
        if (status == 0) {
          reset();
        }
      }
      default -> {
        // read-only
      }
    }
  }

  private void reset() {
    guestFeatures = 0;
    select = 0;
    isr = 0;
    java.util.Arrays.fill(pfn, 0);
    java.util.Arrays.fill(seen, 0);
    pic.line(irq, false);
  }

  private long queue(int q) {
    return (pfn[q] & 0xFFFF_FFFFL) << 12;
  }

  private void notified(int q) {
    if (q >= pfn.length || pfn[q] == 0 || (status & NEEDS_RESET) != 0) {
      return;
    }
    long base = queue(q);
    if (!memory.contains(base, QUEUE_BYTES)) {
      status |= NEEDS_RESET;
      return;
    }
    long available = base + 16L * QUEUE_SIZE;
    int index = (int) memory.read(available + 2, 2);
    if ((index - seen[q] & 0xFFFF) > QUEUE_SIZE) {
      status |= NEEDS_RESET;
      return;
    }
    boolean any = false;
    while (seen[q] != index) {
      int head = (int) memory.read(available + 4 + 2L * (seen[q] % QUEUE_SIZE), 2);
      VirtioRequest r = chain(base, head);
      if (r == null) {
        status |= NEEDS_RESET;
        break;
      }
      int written = device.process(q, r);
      if (written < 0) {
        break;
      }
      seen[q] = seen[q] + 1 & 0xFFFF;
      complete(base + USED, head, written);
      any = true;
    }
    if (any && (memory.read(available, 2) & AVAIL_NO_INTERRUPT) == 0) {
      isr |= 1;
      pic.line(irq, true);
    }
  }

  private void complete(long used, int head, int written) {
    int at = (int) memory.read(used + 2, 2);
    long entry = used + 4 + 8L * (at % QUEUE_SIZE);
    memory.write(entry, 4, head);
    memory.write(entry + 4, 4, written);
    memory.write(used + 2, 2, at + 1 & 0xFFFF);
  }

  /** {@return the buffers of a chain, or null if it loops or leaves memory} */
  private @org.jspecify.annotations.Nullable VirtioRequest chain(long base, int head) {
    VirtioRequest r = new VirtioRequest(memory);
    int d = head;
    for (int n = 0; n < QUEUE_SIZE; n++) {
      if (d >= QUEUE_SIZE) {
        return null;
      }
      long at = base + 16L * d;
      long address = memory.read(at, 8);
      long length = memory.read(at + 8, 4);
      int flags = (int) memory.read(at + 12, 2);
      if (!memory.contains(address, length)) {
        return null;
      }
      r.add(address, length, (flags & DESC_WRITE) != 0);
      if ((flags & DESC_NEXT) == 0) {
        return r;
      }
      d = (int) memory.read(at + 14, 2);
    }
    return null;
  }
}
