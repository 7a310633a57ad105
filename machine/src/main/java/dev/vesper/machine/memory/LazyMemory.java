package dev.vesper.machine.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Memory outside the Java heap that the system gives a page at a time, when it is touched: large
 * tables of which little is used cost little. Java's own allocation clears, and so touches, all.
 *
 * <p>Only Linux on x86-64 and aarch64 is asked for it (mmap(2)); elsewhere it is memory as Java
 * allocates it.
 */
public final class LazyMemory {
  private static final long PROT_READ_WRITE = 3;
  private static final long MAP_PRIVATE_ANONYMOUS_NORESERVE = 0x2 | 0x20 | 0x4000;
  private static final long MADV_HUGEPAGE = 14;
  private static final long NO_FILE = -1;

  private LazyMemory() {}

  /** The numbers of the calls. */
  private record Calls(long mmap, long munmap, long madvise) {
    static final @Nullable Calls LINUX = find();

    private static @Nullable Calls find() {
      if (!System.getProperty("os.name").equals("Linux")) {
        return null;
      }
      return switch (System.getProperty("os.arch")) {
        case "amd64" -> new Calls(9, 11, 28);
        case "aarch64" -> new Calls(222, 215, 233);
        default -> null;
      };
    }

    long map(long bytes) {
      return SystemCall.call(
          mmap, 0, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NORESERVE, NO_FILE, 0);
    }

    void unmap(long address, long bytes) {
      SystemCall.call(munmap, address, bytes, 0, 0, 0, 0);
    }

    void unmap(MemorySegment s) {
      unmap(s.address(), s.byteSize());
    }

    void advise(long address, long bytes, long advice) {
      SystemCall.call(madvise, address, bytes, advice, 0, 0, 0);
    }
  }

  /**
   * {@return zero bytes at an address that is a multiple of 4096; they stay as long as somebody can
   * reach the segment}
   *
   * @throws OutOfMemoryError if the system has no room for them
   */
  public static MemorySegment map(long bytes) {
    Calls c = Calls.LINUX;
    long at = c == null ? SystemCall.FAILED : c.map(bytes);
    if (c == null || at == SystemCall.FAILED) {
      return Arena.ofAuto().allocate(bytes, Page.SIZE);
    }
    return MemorySegment.ofAddress(at).reinterpret(bytes, Arena.ofAuto(), c::unmap);
  }

  /**
   * {@return the same, where the system may give large pages: memory that will be filled from its
   * beginning}
   *
   * @param bytes a power of two of at least 4096
   * @throws OutOfMemoryError if the system has no room for them
   */
  public static MemorySegment mapLarge(long bytes) {
    MemorySegment m = mapAligned(bytes, () -> {});
    return m == null ? map(bytes) : m;
  }

  /**
   * {@return zero bytes at a multiple of their number, for which the system is to take a huge page
   * if it has them, or null if there is no such system or it refuses}
   *
   * @param bytes a power of two of at least 4096
   * @param unmapped called when nobody could reach the segment any more and it was given back
   */
  static @Nullable MemorySegment mapAligned(long bytes, Runnable unmapped) {
    Calls c = Calls.LINUX;
    long at = c == null ? SystemCall.FAILED : c.map(2 * bytes);
    if (c == null || at == SystemCall.FAILED) {
      return null;
    }
    // The last place of the two or the only one: systems give addresses downwards, and what follows
    // another piece becomes one mapping with it, of which a process may have 65,530.
    long start = at + bytes & -bytes;
    long end = start + bytes;
    if (start > at) {
      c.unmap(at, start - at);
    }
    if (at + 2 * bytes > end) {
      c.unmap(end, at + 2 * bytes - end);
    }
    c.advise(start, bytes, MADV_HUGEPAGE);
    return MemorySegment.ofAddress(start)
        .reinterpret(
            bytes,
            Arena.ofAuto(),
            s -> {
              c.unmap(s);
              unmapped.run();
            });
  }
}
