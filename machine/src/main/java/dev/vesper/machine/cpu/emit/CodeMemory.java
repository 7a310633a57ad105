package dev.vesper.machine.cpu.emit;

import dev.vesper.machine.memory.RawMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Memory for machine code: one memory file that is mapped twice, once to be written and once to be
 * executed, so that nothing is ever both. It is filled from its beginning; when it is full its
 * owner forgets all that is in it and begins again.
 */
final class CodeMemory {
  private static final int MFD_CLOEXEC = 1;
  private static final int PROT_READ = 1;
  private static final int PROT_WRITE = 2;
  private static final int PROT_EXEC = 4;
  private static final int MAP_SHARED = 1;

  /** Code begins at multiples of this. */
  private static final int ALIGNMENT = 16;

  private final MemorySegment writable;
  private final MemorySegment executable;
  private final int size;
  private int used;

  private CodeMemory(MemorySegment writable, MemorySegment executable, int size) {
    this.writable = writable;
    this.executable = executable;
    this.size = size;
  }

  /** The C library's calls, on Linux alone. */
  private static final class Calls {
    private static final Linker LINKER = Linker.nativeLinker();
    private static final MethodHandle MEMFD_CREATE =
        handle(
            "memfd_create",
            FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
    private static final MethodHandle FTRUNCATE =
        handle(
            "ftruncate",
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG));
    private static final MethodHandle MMAP =
        handle(
            "mmap",
            FunctionDescriptor.of(
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_LONG));
    private static final MethodHandle MUNMAP =
        handle(
            "munmap",
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG));
    private static final MethodHandle CLOSE =
        handle("close", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));

    private static MethodHandle handle(String name, FunctionDescriptor d) {
      return LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name), d);
    }

    private Calls() {}
  }

  /** {@return whether such memory is to be had on this kind of computer at all} */
  static boolean supported() {
    String arch = System.getProperty("os.arch").toLowerCase(Locale.ROOT);
    return System.getProperty("os.name").equals("Linux")
        && (arch.equals("amd64") || arch.equals("x86_64"));
  }

  /**
   * {@return memory of so many bytes, or null where the system gives none: other systems and
   * processors, and those where no program may have executable memory of its own}
   */
  static @Nullable CodeMemory of(int size) {
    if (!supported()) {
      return null;
    }
    try (Arena arena = Arena.ofConfined()) {
      int fd = (int) Calls.MEMFD_CREATE.invoke(arena.allocateFrom("vesper-code"), MFD_CLOEXEC);
      if (fd < 0) {
        return null;
      }
      try {
        if ((int) Calls.FTRUNCATE.invoke(fd, (long) size) != 0) {
          return null;
        }
        MemorySegment w = map(fd, size, PROT_READ | PROT_WRITE);
        MemorySegment x = map(fd, size, PROT_READ | PROT_EXEC);
        return w == null || x == null ? null : new CodeMemory(w, x, size);
      } finally {
        int unused = (int) Calls.CLOSE.invoke(fd);
      }
    } catch (Error | RuntimeException e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  private static @Nullable MemorySegment map(int fd, long size, int protection) throws Throwable {
    long at = (long) Calls.MMAP.invoke(0L, size, protection, MAP_SHARED, fd, 0L);
    return at == -1
        ? null
        : MemorySegment.ofAddress(at).reinterpret(size, Arena.ofAuto(), CodeMemory::unmap);
  }

  private static void unmap(MemorySegment s) {
    try {
      int unused = (int) Calls.MUNMAP.invoke(s.address(), s.byteSize());
    } catch (Error | RuntimeException e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** {@return whether so many bytes can be added} */
  boolean hasRoom(int bytes) {
    return used + bytes + ALIGNMENT <= size;
  }

  /** {@return bytes in use} */
  int used() {
    return used;
  }

  /** {@return where the next code will be executed} */
  long next() {
    return executable.address() + used;
  }

  /** Adds code; it is executed at what {@link #next} was. */
  void add(byte[] code, int length) {
    RawMemory.copy(code, 0, writable.address() + used, length);
    used = Math.min(size, used + length + ALIGNMENT - 1 & -ALIGNMENT);
  }

  /** Forgets everything from an offset on, which {@link #used} was once. */
  void truncate(int offset) {
    used = offset;
  }

  /** Changes four bytes of code, given by the address at which they are executed. */
  void patch(long address, int value) {
    RawMemory.put32(writable.address() + (address - executable.address()), value);
  }

  /** {@return a byte of code, given by the address at which it is executed} */
  int at(long address) {
    return RawMemory.get8(writable.address() + (address - executable.address()));
  }
}
