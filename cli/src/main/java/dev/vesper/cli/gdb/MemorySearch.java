package dev.vesper.cli.gdb;

import dev.vesper.machine.VcpuView;
import java.util.Arrays;
import java.util.function.BooleanSupplier;

/**
 * Looks for a pattern in memory, a page at a time: a client may ask for all there could be, and
 * must neither hold up the run's limits with that nor be kept from changing its mind.
 */
final class MemorySearch {
  private static final int PAGE = GuestMemory.PAGE;

  /** Bytes that one search looks through at most. */
  private static final long MOST = 1L << 30;

  /** And how long: gdb takes a target that is silent for two seconds for one that is lost. */
  private static final long MOST_NANOS = 1_200_000_000;

  /** Bytes that are passed over at once where nothing is. */
  private static final long GAP = 16 << 20;

  /** Pages between looks at what ends a search early. */
  private static final int LOOK = 64;

  private static final String NOT_FOUND = "0";

  /** EINTR. */
  private static final String INTERRUPTED = "E04";

  /** EFBIG: there is more than was looked through. */
  private static final String TOO_MUCH = "E27";

  private final GuestMemory memory;
  private final VcpuView vcpu;
  private final BooleanSupplier interrupted;

  /**
   * @param interrupted whether the client does not wait for the answer any more
   */
  MemorySearch(GuestMemory memory, VcpuView vcpu, BooleanSupplier interrupted) {
    this.memory = memory;
    this.vcpu = vcpu;
    this.interrupted = interrupted;
  }

  /**
   * {@return the answer to {@code qSearch}: the first place of a pattern in what can be read of a
   * range, that there is none, or why that is not known}
   *
   * @param length of the range in bytes, without a sign
   */
  String answer(long address, long length, byte[] pattern) {
    if (pattern.length == 0 || pattern.length > PAGE) {
      return Stub.MALFORMED;
    }
    boolean all = Long.compareUnsigned(length, MOST) <= 0;
    long bytes = all ? length : MOST;
    long began = System.nanoTime();
    // The end of what was looked through, and a page behind it.
    byte[] both = new byte[2 * PAGE];
    int before = 0;
    int pages = 0;
    for (long done = 0; done < bytes; pages++) {
      if (pages % LOOK == 0 && interrupted.getAsBoolean()) {
        return INTERRUPTED;
      }
      if (pages % LOOK == 0 && System.nanoTime() - began > MOST_NANOS) {
        return TOO_MUCH;
      }
      long at = address + done;
      long gap = memory.gap(vcpu, at, Math.min(bytes - done, GAP));
      if (gap > 0) {
        done += gap;
        before = 0;
        continue;
      }
      byte[] page = page(at, (int) Math.min(bytes - done, PAGE - (at & PAGE - 1)));
      done += Math.min(bytes - done, PAGE - (at & PAGE - 1));
      if (page.length == 0) {
        before = 0;
        continue;
      }
      System.arraycopy(page, 0, both, before, page.length);
      int end = before + page.length;
      int i = indexOf(both, end, pattern);
      if (i >= 0) {
        return "1," + Long.toHexString(at - before + i);
      }
      before = Math.min(end, pattern.length - 1);
      System.arraycopy(both, end - before, both, 0, before);
    }
    return all ? NOT_FOUND : TOO_MUCH;
  }

  /** {@return bytes of one page, none if they cannot be read} */
  private byte[] page(long address, int n) {
    try {
      return memory.piece(vcpu, address, n);
    } catch (IndexOutOfBoundsException e) {
      return new byte[0];
    }
  }

  private static int indexOf(byte[] in, int end, byte[] pattern) {
    for (int i = 0; i + pattern.length <= end; i++) {
      if (in[i] == pattern[0]
          && Arrays.equals(in, i, i + pattern.length, pattern, 0, pattern.length)) {
        return i;
      }
    }
    return -1;
  }
}
