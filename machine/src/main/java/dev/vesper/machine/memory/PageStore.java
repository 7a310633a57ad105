package dev.vesper.machine.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Where the bytes of pages lie: in chunks outside the Java heap, in the order in which the pages
 * came into being. A page never moves and is never given back alone; a chunk goes when none of its
 * pages can be reached any more.
 *
 * <p>The Java runtime's limit of direct memory ({@code -XX:MaxDirectMemorySize}) is the limit of
 * all chunks. Chunks are as large as the computer's huge pages; the first is smaller, because there
 * are machines of few pages.
 */
final class PageStore {
  private static final int FIRST_BYTES = 256 << 10;
  private static final int CHUNK_BYTES = 2 << 20;

  private MemorySegment chunk = MemorySegment.NULL;
  private long used;

  /**
   * {@return a new page of zero bytes}
   *
   * @throws OutOfMemoryError if the Java runtime has reached its limit; nothing has changed then
   */
  Page page(int frame) {
    if (used == chunk.byteSize()) {
      chunk = allocate(chunk.byteSize() == 0 ? FIRST_BYTES : CHUNK_BYTES);
      used = 0;
    }
    Page p = new Page(frame, chunk, chunk.address() + used);
    used += Page.SIZE;
    return p;
  }

  private static MemorySegment allocate(int bytes) {
    MemorySegment s = Arena.ofAuto().allocate(bytes, bytes);
    if (bytes == CHUNK_BYTES) {
      LazyMemory.preferHugePages(s);
    }
    return s;
  }
}
