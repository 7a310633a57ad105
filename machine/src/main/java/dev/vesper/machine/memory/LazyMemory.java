package dev.vesper.machine.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
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

  /** What a failed call gives. */
  private static final long FAILED = -1;

  private LazyMemory() {}

  /**
   * The calls, by number through the C library's {@code syscall}: one function is linked, which
   * takes longer than all calls of a run.
   */
  private record Calls(MethodHandle syscall, long mmap, long munmap, long madvise) {
    static final @Nullable Calls LINUX = find();

    private static @Nullable Calls find() {
      if (!System.getProperty("os.name").equals("Linux")) {
        return null;
      }
      return switch (System.getProperty("os.arch")) {
        case "amd64" -> new Calls(link(), 9, 11, 28);
        case "aarch64" -> new Calls(link(), 222, 215, 233);
        default -> null;
      };
    }

    private static MethodHandle link() {
      Linker l = Linker.nativeLinker();
      ValueLayout.OfLong word = ValueLayout.JAVA_LONG;
      return l.downcallHandle(
          l.defaultLookup().findOrThrow("syscall"),
          FunctionDescriptor.of(word, word, word, word, word, word, word, word),
          Linker.Option.firstVariadicArg(1));
    }

    private long call(long number, long a, long b, long c, long d) {
      try {
        return (long) syscall.invokeExact(number, a, b, c, d, -1L, 0L);
      } catch (RuntimeException | Error x) {
        throw x;
      } catch (Throwable x) {
        throw new IllegalStateException(x);
      }
    }

    long map(long bytes) {
      return call(mmap, 0, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NORESERVE);
    }

    void unmap(long address, long bytes) {
      call(munmap, address, bytes, 0, 0);
    }

    void unmap(MemorySegment s) {
      unmap(s.address(), s.byteSize());
    }

    void advise(long address, long bytes, long advice) {
      call(madvise, address, bytes, advice, 0);
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
    long at = c == null ? FAILED : c.map(bytes);
    if (c == null || at == FAILED) {
      return Arena.ofAuto().allocate(bytes, Page.SIZE);
    }
    return MemorySegment.ofAddress(at).reinterpret(bytes, Arena.ofAuto(), c::unmap);
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
    long at = c == null ? FAILED : c.map(2 * bytes);
    if (c == null || at == FAILED) {
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
