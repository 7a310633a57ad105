package dev.vesper.machine.cpu.emit;

import dev.vesper.machine.memory.RawMemory;
import dev.vesper.machine.memory.SystemCall;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Memory for machine code: one memory file that is mapped twice, once to be written and once to be
 * executed, so that nothing is ever both. It is filled from its beginning; when it is full its
 * owner forgets all that is in it and begins again.
 */
final class CodeMemory {
  // System calls of x86-64.
  private static final long CLOSE = 3;
  private static final long MMAP = 9;
  private static final long MUNMAP = 11;
  private static final long FTRUNCATE = 77;
  private static final long MEMFD_CREATE = 319;

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
    long fd;
    try (Arena arena = Arena.ofConfined()) {
      long name = arena.allocateFrom("vesper-code").address();
      fd = SystemCall.call(MEMFD_CREATE, name, MFD_CLOEXEC, 0, 0, 0, 0);
    }
    if (fd == SystemCall.FAILED) {
      return null;
    }
    try {
      if (SystemCall.call(FTRUNCATE, fd, size, 0, 0, 0, 0) == SystemCall.FAILED) {
        return null;
      }
      MemorySegment w = map(fd, size, PROT_READ | PROT_WRITE);
      MemorySegment x = map(fd, size, PROT_READ | PROT_EXEC);
      return w == null || x == null ? null : new CodeMemory(w, x, size);
    } finally {
      SystemCall.call(CLOSE, fd, 0, 0, 0, 0, 0);
    }
  }

  private static @Nullable MemorySegment map(long fd, long size, int protection) {
    long at = SystemCall.call(MMAP, 0, size, protection, MAP_SHARED, fd, 0);
    return at == SystemCall.FAILED
        ? null
        : MemorySegment.ofAddress(at).reinterpret(size, Arena.ofAuto(), CodeMemory::unmap);
  }

  private static void unmap(MemorySegment s) {
    SystemCall.call(MUNMAP, s.address(), s.byteSize(), 0, 0, 0, 0);
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
