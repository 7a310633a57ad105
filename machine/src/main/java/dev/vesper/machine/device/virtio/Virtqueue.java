package dev.vesper.machine.device.virtio;

import dev.vesper.machine.device.DeviceWork;
import dev.vesper.machine.memory.HostView;
import org.jspecify.annotations.Nullable;

/**
 * A split virtqueue (virtio 1.2, 2.7): descriptors, the ring of available chains and the ring of
 * used ones, anywhere in guest memory.
 */
final class Virtqueue {
  private static final int NEXT = 1;
  private static final int WRITE = 2;
  private static final int INDIRECT = 4;
  private static final int AVAIL_NO_INTERRUPT = 1;

  /** What working on a queue came to. */
  enum Result {
    /** Nothing that the driver wants to hear of. */
    QUIET,
    /** The driver wants an interrupt. */
    INTERRUPT,
    /** The driver broke the rules: the device must be reset. */
    BROKEN
  }

  /** What a request costs besides the bytes that it moves. */
  private static final long REQUEST_COST = 4096;

  private final HostView memory;
  private final DeviceWork work;
  private int size;
  private long descriptors;
  private long available;
  private long used;
  private int seen;
  private boolean ready;
  private boolean eventIndex;
  private boolean indirect;
  private boolean unfinished;

  /** A request of which a part is done, and where its chain begins. */
  private @Nullable VirtioRequest begun;

  private int begunHead;

  /**
   * @param work says how much is done in one go
   */
  Virtqueue(HostView memory, DeviceWork work) {
    this.memory = memory;
    this.work = work;
  }

  /** Forgets everything. */
  void reset() {
    ready = false;
    seen = 0;
    unfinished = false;
    begun = null;
  }

  /**
   * Takes a queue into use.
   *
   * @param entries a power of two
   * @return false if it is not in memory
   */
  boolean start(int entries, long table, long avail, long usedRing) {
    boolean fits =
        entries > 0
            && Integer.bitCount(entries) == 1
            && memory.contains(table, 16L * entries)
            && memory.contains(avail, 6 + 2L * entries)
            && memory.contains(usedRing, 6 + 8L * entries);
    size = entries;
    descriptors = table;
    available = avail;
    used = usedRing;
    seen = 0;
    begun = null;
    ready = fits;
    return fits;
  }

  /** Takes the features that driver and device have agreed on. */
  void features(boolean events, boolean indirectDescriptors) {
    eventIndex = events;
    indirect = indirectDescriptors;
  }

  boolean ready() {
    return ready;
  }

  /** {@return whether there is more to do than could be done in one go} */
  boolean unfinished() {
    return unfinished;
  }

  /** Lets a device work on what is available, as far as {@link DeviceWork} allows. */
  Result work(VirtioDevice device, int queue) {
    unfinished = false;
    if (!ready) {
      return Result.QUIET;
    }
    int before = (int) memory.read(used + 2, 2);
    int now = before;
    // Read once: what a device writes may be this very index, if the driver is mad.
    int index = (int) memory.read(available + 2, 2);
    if ((index - seen & 0xFFFF) > size) {
      return Result.BROKEN;
    }
    while (seen != index) {
      if (work.spent()) {
        unfinished = true;
        break;
      }
      VirtioRequest r = begun;
      int head = begunHead;
      if (r == null) {
        head = (int) memory.read(available + 4 + 2L * (seen & size - 1), 2);
        r = chain(head);
        if (r == null) {
          return Result.BROKEN;
        }
        work.spend(REQUEST_COST);
      }
      int written = device.process(queue, r);
      begun = written == VirtioDevice.UNFINISHED ? r : null;
      begunHead = head;
      if (begun != null) {
        unfinished = true;
        break;
      }
      if (written == VirtioDevice.KEPT) {
        break;
      }
      seen = seen + 1 & 0xFFFF;
      long entry = used + 4 + 8L * (now & size - 1);
      memory.write(entry, 4, work.rings().id(head));
      memory.write(entry + 4, 4, work.rings().length(written));
      // The chain was taken from there, so that it is in the table, and the table in memory.
      work.rings().written(memory, descriptors + 16L * head);
      now = now + 1 & 0xFFFF;
      memory.write(used + 2, 2, now);
      if (eventIndex) {
        memory.write(used + 4 + 8L * size, 2, seen);
      }
    }
    if (eventIndex) {
      // The driver notifies when it makes this entry available.
      memory.write(used + 4 + 8L * size, 2, seen);
    }
    return now != before && wantsInterrupt(before, now) ? Result.INTERRUPT : Result.QUIET;
  }

  private boolean wantsInterrupt(int before, int now) {
    if (!eventIndex) {
      return (memory.read(available, 2) & AVAIL_NO_INTERRUPT) == 0;
    }
    int event = (int) memory.read(available + 4 + 2L * size, 2);
    return (now - event - 1 & 0xFFFF) < (now - before & 0xFFFF);
  }

  /** {@return the buffers of a chain, or null if it loops, leaves memory or makes no sense} */
  private @Nullable VirtioRequest chain(int head) {
    VirtioRequest r = new VirtioRequest(memory, work);
    long table = descriptors;
    int entries = size;
    int d = head;
    boolean inside = false;
    for (int n = 0; n <= size; n++) {
      if (d >= entries) {
        return null;
      }
      long at = table + 16L * d;
      long address = memory.read(at, 8);
      long length = memory.read(at + 8, 4);
      int flags = (int) memory.read(at + 12, 2);
      if (!memory.contains(address, length)) {
        return null;
      }
      if ((flags & INDIRECT) != 0) {
        boolean legal = indirect && !inside && (flags & NEXT) == 0 && length >= 16;
        if (!legal || length % 16 != 0 || length / 16 > size) {
          return null;
        }
        inside = true;
        table = address;
        entries = (int) (length / 16);
        d = 0;
        continue;
      }
      r.add(address, length, (flags & WRITE) != 0);
      if ((flags & NEXT) == 0) {
        return r;
      }
      d = (int) memory.read(at + 14, 2);
    }
    return null;
  }
}
