package dev.vesper.machine.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Where the bytes of pages lie: in chunks outside the Java heap, in the order in which the pages
 * came into being. A page never moves; a chunk goes when none of its pages can be reached any more.
 * What is given back alone is for the next page.
 *
 * <p>Chunks are as large as the computer's huge pages; the first is smaller, because there are
 * machines of few pages. All chunks of this process together are limited, so that the collector
 * comes to those of machines that are no more: it knows nothing of how much hangs on a page. Where
 * the system does not give them as {@link LazyMemory}, the limit is that of the Java runtime's
 * direct memory.
 */
final class PageStore {
  /**
   * System property with the MiB that there may be of all chunks, in which the launcher says what
   * it has left for guest and machine; without, it is what the heap may have, as for Java's own
   * direct memory.
   */
  private static final String ROOM = "vesper.room";

  private static final long FIRST_BYTES = 256 << 10;
  private static final long CHUNK_BYTES = 2 << 20;

  /** Milliseconds that the collector is waited for at most, the last time. */
  private static final int PATIENCE = 256;

  private static final AtomicLong RESERVED = new AtomicLong();
  private static final long LIMIT = limit();

  private MemorySegment chunk = MemorySegment.NULL;
  private long used;

  /** Pages that were given back, whose memory the next ones have. */
  private final Deque<Page> free = new ArrayDeque<>();

  /**
   * {@return a new page of zero bytes}
   *
   * @throws OutOfMemoryError if there is no room for it; nothing has changed then
   */
  Page page(int frame) {
    Page former = free.poll();
    if (former != null) {
      Page p = former.successor(frame);
      p.fill(0, Page.SIZE, (byte) 0);
      return p;
    }
    if (used == chunk.byteSize()) {
      chunk = allocate(chunk.byteSize() == 0 ? FIRST_BYTES : CHUNK_BYTES);
      used = 0;
    }
    Page p = new Page(frame, chunk, chunk.address() + used);
    used += Page.SIZE;
    return p;
  }

  /** Takes the memory of a page back that nobody uses any more. */
  void giveBack(Page p) {
    free.add(p);
  }

  private static MemorySegment allocate(long bytes) {
    if (!reserve(bytes)) {
      throw new OutOfMemoryError(
          "memory of guests: %d MiB of %d".formatted(RESERVED.get() >> 20, LIMIT >> 20));
    }
    MemorySegment s = LazyMemory.mapAligned(bytes, () -> RESERVED.addAndGet(-bytes));
    if (s == null) {
      RESERVED.addAndGet(-bytes);
      return Arena.ofAuto().allocate(bytes, Page.SIZE);
    }
    return s;
  }

  /** {@return bytes that all pages of this process together may take} */
  static long room() {
    return LIMIT;
  }

  private static long limit() {
    Long mebibytes = Long.getLong(ROOM);
    return mebibytes == null ? Runtime.getRuntime().maxMemory() : mebibytes << 20;
  }

  /** Counts bytes in, if need be after what nobody reaches was given back. */
  private static boolean reserve(long bytes) {
    for (int wait = 1; ; wait *= 2) {
      if (RESERVED.addAndGet(bytes) <= LIMIT) {
        return true;
      }
      RESERVED.addAndGet(-bytes);
      if (wait > PATIENCE) {
        return false;
      }
      if (wait == 1) {
        System.gc();
      }
      try {
        Thread.sleep(wait);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return false;
      }
    }
  }
}
