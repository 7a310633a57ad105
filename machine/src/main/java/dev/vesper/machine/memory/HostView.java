package dev.vesper.machine.memory;

import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.host.HostMemory;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * System memory as the host and its devices see it: ciphertext for every private page.
 *
 * <p>A write goes to the bus; if the page is private it garbles exactly the sixteen-byte blocks
 * that it touches. Addresses outside memory are refused with {@link IndexOutOfBoundsException};
 * callers that pass on guest-chosen addresses ask {@link #contains} first. Writes to pages that are
 * a guest's by the reverse map table change nothing: {@link #mayWrite} tells.
 */
public final class HostView implements HostMemory {
  private final PhysicalMemory memory;
  private final boolean device;
  private final transient byte[] bus = new byte[Page.SIZE];

  HostView(PhysicalMemory memory, boolean device) {
    this.memory = memory;
    this.device = device;
  }

  @Override
  public GuestRam ram() {
    return memory.ram();
  }

  /** Reads bus bytes without disturbing who owns the page. */
  @Override
  public void read(long address, byte[] to, int offset, int length) {
    Objects.checkFromIndexSize(address, length, (long) memory.totalPages() << 12);
    long a = address;
    int done = 0;
    while (done < length) {
      int in = (int) a & 0xFFF;
      int n = Math.min(length - done, Page.SIZE - in);
      int frame = (int) (a >>> 12);
      if (memory.reached(frame) != frame) {
        memory.peek(memory.reached(frame), Page.SHARED, bus);
        System.arraycopy(bus, in, to, offset + done, n);
      } else if (memory.domain(frame) == Page.SHARED) {
        memory.hostReadsShared(frame, in, n, device);
        shared(frame).copyTo(in, to, offset + done, n);
      } else {
        memory.hostReads(frame, device);
        memory.readBus(frame, bus, in, n);
        System.arraycopy(bus, in, to, offset + done, n);
      }
      done += n;
      a += n;
    }
  }

  /** Writes bus bytes. */
  @Override
  public void write(long address, byte[] from, int offset, int length) {
    Objects.checkFromIndexSize(address, length, (long) memory.totalPages() << 12);
    long a = address;
    int done = 0;
    while (done < length) {
      int in = (int) a & 0xFFF;
      int n = Math.min(length - done, Page.SIZE - in);
      int frame = (int) (a >>> 12);
      if (memory.reached(frame) != frame) {
        memory.pokeBus(memory.reached(frame), in, from, offset + done, n);
      } else {
        Page p = written(frame, in, n);
        if (p != null) {
          p.copyFrom(in, from, offset + done, n);
        }
      }
      done += n;
      a += n;
    }
  }

  /** Reads a little-endian number of 1, 2, 4 or 8 bytes, zero-extended. */
  @Override
  public long read(long address, int bytes) {
    Objects.checkFromIndexSize(address, bytes, (long) memory.totalPages() << 12);
    int in = (int) address & 0xFFF;
    int frame = (int) (address >>> 12);
    if (in + bytes > Page.SIZE
        || memory.reached(frame) != frame
        || memory.domain(frame) != Page.SHARED) {
      byte[] b = new byte[8];
      read(address, b, 0, bytes);
      return (long) Page.LONG.get(b, 0);
    }
    memory.hostReadsShared(frame, in, bytes, device);
    Page p = shared(frame);
    return switch (bytes) {
      case 1 -> p.get8(in);
      case 2 -> p.get16(in);
      case 4 -> p.get32(in) & 0xFFFF_FFFFL;
      default -> p.get64(in);
    };
  }

  /** Writes the low bytes of a number, little-endian. */
  @Override
  public void write(long address, int bytes, long value) {
    Objects.checkFromIndexSize(address, bytes, (long) memory.totalPages() << 12);
    int in = (int) address & 0xFFF;
    int frame = (int) (address >>> 12);
    if (in + bytes > Page.SIZE || memory.reached(frame) != frame) {
      byte[] b = new byte[8];
      Page.LONG.set(b, 0, value);
      write(address, b, 0, bytes);
      return;
    }
    Page p = written(frame, in, bytes);
    if (p == null) {
      return;
    }
    switch (bytes) {
      case 1 -> p.put8(in, (int) value);
      case 2 -> p.put16(in, (int) value);
      case 4 -> p.put32(in, (int) value);
      default -> p.put64(in, value);
    }
  }

  /**
   * Writes numbers of eight bytes into one page, one after the other.
   *
   * @param page its address
   * @param offsets of the numbers in it
   * @param count how many of them, at least one
   */
  public void writeLongs(long page, int[] offsets, long[] values, int count) {
    int frame = (int) (page >>> 12);
    if (memory.reached(frame) != frame || !memory.hostMayWrite(frame)) {
      for (int i = 0; i < count; i++) {
        write(page + offsets[i], 8, values[i]);
      }
      return;
    }
    memory.hostWrites(frame, offsets[0], 8, device);
    Page p = shared(frame);
    if (p.codeLines != 0) {
      memory.codeChanged(p);
    }
    p.put64(offsets[0], values[0]);
    for (int i = 1; i < count; i++) {
      memory.hostWrites(frame, offsets[i], 8, device);
      p.put64(offsets[i], values[i]);
    }
  }

  /**
   * {@return whether the host may write to all of so many bytes: not where a page is a guest's by
   * the reverse map table}
   */
  public boolean mayWrite(long address, long length) {
    for (long f = address >>> 12; f <= address + length - 1 >>> 12; f++) {
      if (!memory.hostMayWrite((int) f)) {
        return false;
      }
    }
    return true;
  }

  /** {@return whether an address lies behind all that guests have: the host's own pages do} */
  public boolean isHosts(long address) {
    return address >>> 12 >= memory.firstHostPage();
  }

  /** {@return the reverse map table as hypervisors have it, or null without SEV-SNP} */
  public @Nullable HostRmp rmp() {
    return memory.rmp();
  }

  /** {@return a page that bytes of are about to be written to, or null if that is refused} */
  private @Nullable Page written(int frame, int in, int bytes) {
    if (!memory.hostMayWrite(frame)) {
      memory.hostRefused(frame, in, bytes, device);
      return null;
    }
    memory.hostWrites(frame, in, bytes, device);
    Page p = shared(frame);
    if (p.codeLines != 0) {
      memory.codeChanged(p);
    }
    return p;
  }

  private Page shared(int frame) {
    Page p = memory.page(frame, Page.SHARED);
    p.keepPromise();
    return p;
  }
}
