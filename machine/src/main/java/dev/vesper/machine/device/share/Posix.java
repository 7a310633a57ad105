package dev.vesper.machine.device.share;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Calls of Linux's C library that reach a file from the descriptor of its folder (openat(2) and its
 * family). Java's own {@link java.nio.file.SecureDirectoryStream} has no such call for making
 * folders and links, for reading links, or for opening a file without waiting for it.
 *
 * <p>Names are bytes; a string holds one in each character (ISO 8859-1). An error of the system is
 * a {@link FuseError} with its number, which is the same for every architecture that is known here.
 * Objects are not for several threads at once: arguments and errors go through memory of their own.
 */
final class Posix {
  static final int O_WRONLY = 1;
  static final int O_RDWR = 2;
  static final int O_ACCMODE = 3;
  static final int O_CREAT = 0x40;
  static final int O_EXCL = 0x80;
  static final int O_TRUNC = 0x200;
  static final int O_PATH = 0x20_0000;

  /** Not to wait for a lease's holder, to become nobody's terminal, to be inherited by nobody. */
  private static final int O_ALWAYS = 0x800 | 0x100 | 0x8_0000;

  private static final boolean ARM = System.getProperty("os.arch").equals("aarch64");
  static final int O_DIRECTORY = ARM ? 0x4000 : 0x1_0000;
  static final int O_NOFOLLOW = ARM ? 0x8000 : 0x2_0000;

  private static final int AT_FDCWD = -100;
  private static final int AT_REMOVEDIR = 0x200;
  private static final int AT_SYMLINK_FOLLOW = 0x400;
  private static final int AT_EMPTY_PATH = 0x1000;
  private static final int STATX_BASIC_STATS = 0x7FF;
  private static final int SC_OPEN_MAX = 4;
  private static final int SEEK_SET = 0;

  /** Nanoseconds of a time that is left as it is, and of one that becomes now. */
  static final long UTIME_OMIT = 0x3FFF_FFFE;

  static final long UTIME_NOW = 0x3FFF_FFFF;

  /** The longest path that the system takes, with the zero behind it. */
  static final int PATH_MAX = 4096;

  /** The most that is read or written at once, in bytes. */
  static final int MOST = 1 << 17;

  private static final int STAT_BYTES = 256;

  /** How many descriptors all shares of this process have open. */
  private static final AtomicInteger OPEN = new AtomicInteger();

  /** The functions, found when the first folder is shared. */
  private static final class Calls {
    private static final Linker LINKER = Linker.nativeLinker();
    private static final SymbolLookup LIBRARY = LINKER.defaultLookup();
    private static final MemoryLayout STATE = Linker.Option.captureStateLayout();
    static final VarHandle ERRNO = STATE.varHandle(MemoryLayout.PathElement.groupElement("errno"));

    static final MethodHandle OPENAT =
        find("openat", 3, JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT);
    static final MethodHandle CLOSE = find("close", -1, JAVA_INT, JAVA_INT);
    static final MethodHandle STATX =
        find("statx", -1, JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT, ADDRESS);
    static final MethodHandle MKDIRAT = find("mkdirat", -1, JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT);
    static final MethodHandle SYMLINKAT =
        find("symlinkat", -1, JAVA_INT, ADDRESS, JAVA_INT, ADDRESS);
    static final MethodHandle READLINKAT =
        find("readlinkat", -1, JAVA_LONG, JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG);
    static final MethodHandle LINKAT =
        find("linkat", -1, JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT, ADDRESS, JAVA_INT);
    static final MethodHandle UNLINKAT =
        find("unlinkat", -1, JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT);
    static final MethodHandle RENAMEAT2 =
        find("renameat2", -1, JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT, ADDRESS, JAVA_INT);
    static final MethodHandle FCHMOD = find("fchmod", -1, JAVA_INT, JAVA_INT, JAVA_INT);
    static final MethodHandle FCHMODAT =
        find("fchmodat", -1, JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT);
    static final MethodHandle UTIMENSAT =
        find("utimensat", -1, JAVA_INT, JAVA_INT, ADDRESS, ADDRESS, JAVA_INT);
    static final MethodHandle FUTIMENS = find("futimens", -1, JAVA_INT, JAVA_INT, ADDRESS);
    static final MethodHandle FTRUNCATE = find("ftruncate", -1, JAVA_INT, JAVA_INT, JAVA_LONG);
    static final MethodHandle FSYNC = find("fsync", -1, JAVA_INT, JAVA_INT);
    static final MethodHandle PREAD =
        find("pread", -1, JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG);
    static final MethodHandle PWRITE =
        find("pwrite", -1, JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG);
    static final MethodHandle LSEEK = find("lseek", -1, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT);
    static final MethodHandle GETDENTS64 =
        find("getdents64", -1, JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG);
    static final MethodHandle FSTATVFS = find("fstatvfs", -1, JAVA_INT, JAVA_INT, ADDRESS);
    static final int MOST_OPEN = mostOpen();

    private static MethodHandle find(
        String name, int variadic, ValueLayout result, ValueLayout... arguments) {
      MemorySegment f =
          LIBRARY.find(name).orElseThrow(() -> new IllegalStateException("there is no " + name));
      FunctionDescriptor d = FunctionDescriptor.of(result, arguments);
      Linker.Option errors = Linker.Option.captureCallState("errno");
      return variadic < 0
          ? LINKER.downcallHandle(f, d, errors)
          : LINKER.downcallHandle(f, d, errors, Linker.Option.firstVariadicArg(variadic));
    }

    /** Half of what the process may have open: the rest is for everything else that it does. */
    private static int mostOpen() {
      MethodHandle sysconf = find("sysconf", -1, JAVA_LONG, JAVA_INT);
      try (Arena a = Arena.ofConfined()) {
        long n = (long) sysconf.invokeExact(a.allocate(STATE), SC_OPEN_MAX);
        return (int) Math.clamp(n / 2, 16, 8192);
      } catch (Throwable t) {
        throw new IllegalStateException(t);
      }
    }
  }

  /** A system call; what is negative is an error. */
  private interface Call {
    long call() throws Throwable;
  }

  /**
   * What is known of a file.
   *
   * @param device the file system, as the major number and the minor number behind it
   * @param mode kind and permissions
   * @param seconds of last access, last change of the contents, last change of anything
   */
  record Stat(
      long device,
      long inode,
      long size,
      int mode,
      int links,
      int user,
      int group,
      long[] seconds,
      int[] nanoseconds) {
    static final int DIRECTORY = 0x4;
    static final int REGULAR = 0x8;
    static final int LINK = 0xA;

    int kind() {
      return mode >> 12 & 15;
    }
  }

  private long calls;

  private final Arena arena = Arena.ofAuto();
  private final MemorySegment state = arena.allocate(Calls.STATE);
  private final MemorySegment first = arena.allocate(PATH_MAX);
  private final MemorySegment second = arena.allocate(PATH_MAX);
  private final MemorySegment some = arena.allocate(STAT_BYTES, 8);
  private final MemorySegment buffer = arena.allocate(MOST, 4096);

  private Posix() {}

  /**
   * {@return the calls}
   *
   * @throws IOException if this system does not have them
   */
  static Posix load() throws IOException {
    String system = System.getProperty("os.name");
    String arch = System.getProperty("os.arch");
    if (!system.equals("Linux") || !arch.equals("amd64") && !ARM && !arch.equals("riscv64")) {
      throw new IOException(
          "shared folders need Linux on a 64-bit x86, Arm or RISC-V, not "
              + system
              + " on "
              + arch);
    }
    try {
      return new Posix();
    } catch (ExceptionInInitializerError | NoClassDefFoundError e) {
      // A C library without statx or renameat2, or --illegal-native-access=deny.
      Throwable t = e.getCause() == null ? e : e.getCause();
      throw new IOException("shared folders need calls of the C library: " + t.getMessage(), e);
    }
  }

  /** {@return how many calls there were since this was asked last} */
  long takeCalls() {
    long n = calls;
    calls = 0;
    return n;
  }

  private long result(Call c) throws FuseError {
    while (true) {
      calls++;
      long r;
      try {
        r = c.call();
      } catch (RuntimeException | Error e) {
        throw e;
      } catch (Throwable t) {
        throw new IllegalStateException(t);
      }
      if (r >= 0) {
        return r;
      }
      int e = (int) Calls.ERRNO.get(state, 0L);
      if (e != FuseError.EINTR) {
        throw new FuseError(e == FuseError.EMFILE ? FuseError.ENFILE : e);
      }
    }
  }

  private static MemorySegment put(MemorySegment to, String name) throws FuseError {
    byte[] b = name.getBytes(StandardCharsets.ISO_8859_1);
    if (b.length >= to.byteSize()) {
      throw new FuseError(FuseError.ENAMETOOLONG);
    }
    MemorySegment.copy(b, 0, to, JAVA_BYTE, 0, b.length);
    to.set(JAVA_BYTE, b.length, (byte) 0);
    return to;
  }

  /** {@return a name of what a descriptor is open for, which no renaming can lead elsewhere} */
  private static String open(int file) {
    return "/proc/self/fd/" + file;
  }

  // ---- descriptors

  private int descriptor(int folder, String name, int flags, int mode) throws FuseError {
    if (OPEN.incrementAndGet() > Calls.MOST_OPEN) {
      OPEN.decrementAndGet();
      throw new FuseError(FuseError.ENFILE);
    }
    boolean done = false;
    try {
      MemorySegment n = put(first, name);
      int f = flags | O_ALWAYS;
      int r = (int) result(() -> (int) Calls.OPENAT.invokeExact(state, folder, n, f, mode));
      done = true;
      return r;
    } finally {
      if (!done) {
        OPEN.decrementAndGet();
      }
    }
  }

  /** {@return a descriptor for a folder by its path, through whatever links the path has} */
  int openRoot(String path) throws FuseError {
    return descriptor(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0);
  }

  /** {@return a descriptor that stands for whatever has a name in a folder; nothing is opened} */
  int look(int folder, String name) throws FuseError {
    return descriptor(folder, name, O_PATH | O_NOFOLLOW, 0);
  }

  /** {@return a new file} */
  int create(int folder, String name, int access) throws FuseError {
    return descriptor(folder, name, access | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  }

  /** Opens what a descriptor stands for: a file or a folder, as the caller has looked. */
  int reopen(int file, int flags) throws FuseError {
    return descriptor(AT_FDCWD, open(file), flags, 0);
  }

  void close(int file) {
    try {
      int ignored = (int) Calls.CLOSE.invokeExact(state, file);
    } catch (Throwable t) {
      throw new IllegalStateException(t);
    }
    OPEN.decrementAndGet();
  }

  // ---- names

  void makeFolder(int folder, String name, int mode) throws FuseError {
    MemorySegment n = put(first, name);
    result(() -> (int) Calls.MKDIRAT.invokeExact(state, folder, n, mode));
  }

  void makeLink(int folder, String name, String target) throws FuseError {
    MemorySegment t = put(first, target);
    MemorySegment n = put(second, name);
    result(() -> (int) Calls.SYMLINKAT.invokeExact(state, t, folder, n));
  }

  /** Gives what a descriptor stands for another name. */
  void link(int file, int folder, String name) throws FuseError {
    MemorySegment f = put(first, open(file));
    MemorySegment n = put(second, name);
    result(() -> (int) Calls.LINKAT.invokeExact(state, AT_FDCWD, f, folder, n, AT_SYMLINK_FOLLOW));
  }

  void remove(int folder, String name, boolean directory) throws FuseError {
    MemorySegment n = put(first, name);
    int flags = directory ? AT_REMOVEDIR : 0;
    result(() -> (int) Calls.UNLINKAT.invokeExact(state, folder, n, flags));
  }

  /**
   * Gives something another name.
   *
   * @param flags of renameat2(2)
   */
  void rename(int folder, String name, int newFolder, String newName, int flags) throws FuseError {
    MemorySegment a = put(first, name);
    MemorySegment b = put(second, newName);
    result(() -> (int) Calls.RENAMEAT2.invokeExact(state, folder, a, newFolder, b, flags));
  }

  /** {@return where a symbolic link leads that a descriptor stands for} */
  byte[] target(int link) throws FuseError {
    MemorySegment n = put(first, "");
    long l =
        result(() -> (long) Calls.READLINKAT.invokeExact(state, link, n, second, (long) PATH_MAX));
    return second.asSlice(0, l).toArray(JAVA_BYTE);
  }

  /** {@return the path of what a descriptor stands for, as it is now} */
  byte[] path(int file) throws FuseError {
    MemorySegment n = put(first, open(file));
    long l =
        result(
            () -> (long) Calls.READLINKAT.invokeExact(state, AT_FDCWD, n, second, (long) PATH_MAX));
    return second.asSlice(0, l).toArray(JAVA_BYTE);
  }

  // ---- attributes

  /** {@return what is known of what a descriptor stands for or is open for} */
  Stat stat(int file) throws FuseError {
    MemorySegment n = put(first, "");
    result(
        () ->
            (int) Calls.STATX.invokeExact(state, file, n, AT_EMPTY_PATH, STATX_BASIC_STATS, some));
    long[] seconds = new long[3];
    int[] nanoseconds = new int[3];
    int[] at = {64, 112, 96};
    for (int i = 0; i < 3; i++) {
      seconds[i] = some.get(JAVA_LONG, at[i]);
      nanoseconds[i] = some.get(JAVA_INT, at[i] + 8);
    }
    return new Stat(
        (long) some.get(JAVA_INT, 136) << 32 | some.get(JAVA_INT, 140) & 0xFFFF_FFFFL,
        some.get(JAVA_LONG, 32),
        some.get(JAVA_LONG, 40),
        some.get(JAVA_SHORT, 28) & 0xFFFF,
        some.get(JAVA_INT, 16),
        some.get(JAVA_INT, 20),
        some.get(JAVA_INT, 24),
        seconds,
        nanoseconds);
  }

  /**
   * Sets permissions.
   *
   * @param opened whether the descriptor is open for the file, or only stands for it
   */
  void permit(int file, boolean opened, int mode) throws FuseError {
    if (opened) {
      result(() -> (int) Calls.FCHMOD.invokeExact(state, file, mode));
      return;
    }
    MemorySegment n = put(first, open(file));
    result(() -> (int) Calls.FCHMODAT.invokeExact(state, AT_FDCWD, n, mode, 0));
  }

  /**
   * Sets the times of last access and last change.
   *
   * @param opened whether the descriptor is open for the file, or only stands for it
   * @param times seconds and nanoseconds of both
   */
  void times(int file, boolean opened, boolean link, long[] times) throws FuseError {
    for (int i = 0; i < 4; i++) {
      some.set(JAVA_LONG, 8L * i, times[i]);
    }
    if (opened) {
      result(() -> (int) Calls.FUTIMENS.invokeExact(state, file, some));
    } else if (link) {
      MemorySegment n = put(first, "");
      result(() -> (int) Calls.UTIMENSAT.invokeExact(state, file, n, some, AT_EMPTY_PATH));
    } else {
      MemorySegment n = put(first, open(file));
      result(() -> (int) Calls.UTIMENSAT.invokeExact(state, AT_FDCWD, n, some, 0));
    }
  }

  /** {@return a file system's figures: struct statvfs, eleven numbers of 64 bits} */
  long[] statistics(int file) throws FuseError {
    result(() -> (int) Calls.FSTATVFS.invokeExact(state, file, some));
    return some.asSlice(0, 88).toArray(JAVA_LONG);
  }

  // ---- contents

  /** {@return what a file has at a place, in bytes; fewer than asked for if it ends there} */
  byte[] read(int file, long at, int size) throws FuseError {
    int n = 0;
    int most = Math.min(size, MOST);
    long r;
    // Once for nothing, too: the descriptor may not be for reading.
    do {
      int from = n;
      MemorySegment to = buffer.asSlice(from);
      r =
          result(
              () ->
                  (long) Calls.PREAD.invokeExact(state, file, to, (long) (most - from), at + from));
      n += (int) r;
    } while (r > 0 && n < most);
    return buffer.asSlice(0, n).toArray(JAVA_BYTE);
  }

  void write(int file, long at, byte[] bytes, int from, int size) throws FuseError {
    int n = 0;
    do {
      int part = Math.min(size - n, MOST);
      MemorySegment.copy(bytes, from + n, buffer, JAVA_BYTE, 0, part);
      long to = at + n;
      n +=
          (int) result(() -> (long) Calls.PWRITE.invokeExact(state, file, buffer, (long) part, to));
    } while (n < size);
  }

  void resize(int file, long size) throws FuseError {
    result(() -> (int) Calls.FTRUNCATE.invokeExact(state, file, size));
  }

  void sync(int file) throws FuseError {
    result(() -> (int) Calls.FSYNC.invokeExact(state, file));
  }

  /** Goes to a place in a folder that {@link #entries} has given. */
  void seek(int folder, long place) throws FuseError {
    result(() -> (long) Calls.LSEEK.invokeExact(state, folder, place, SEEK_SET));
  }

  /**
   * {@return the next entries of a folder that is open, one behind the other: struct
   * linux_dirent64; empty at the end}
   *
   * @param most in bytes
   */
  MemorySegment entries(int folder, int most) throws FuseError {
    long n = result(() -> (long) Calls.GETDENTS64.invokeExact(state, folder, buffer, (long) most));
    return buffer.asSlice(0, n);
  }
}
