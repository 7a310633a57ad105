package dev.vesper.cli.tty;

import java.io.Closeable;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * A pseudo terminal (pty(7)) whose master is ours: whoever opens its name types and reads. In its
 * modes every byte passes as it is. Linux and macOS have it.
 */
public final class Pty implements Closeable {
  private static final int O_RDWR = 2;
  private static final int O_NOCTTY_LINUX = 0x100;
  private static final int O_NOCTTY_MACOS = 0x2_0000;

  /** {@code struct pollfd}: a descriptor, two bytes of what is asked, two of what is. */
  private static final int POLLFD_BYTES = 8;

  private static final int POLLFD_EVENTS = 4;
  private static final int POLLFD_REVENTS = 6;
  private static final short POLLOUT = 4;
  private static final short POLLHUP = 0x10;

  private static final MethodHandle POSIX_OPENPT = TerminalCalls.find("posix_openpt");
  private static final MethodHandle GRANTPT = TerminalCalls.find("grantpt");
  private static final MethodHandle UNLOCKPT = TerminalCalls.find("unlockpt");
  private static final MethodHandle PTSNAME = TerminalCalls.find("ptsname");
  private static final MethodHandle OPEN = TerminalCalls.find("open");
  private static final MethodHandle READ = TerminalCalls.find("read");
  private static final MethodHandle WRITE = TerminalCalls.find("write");
  private static final MethodHandle POLL = TerminalCalls.find("poll");
  private static final MethodHandle CLOSE = TerminalCalls.find("close");

  /** Names are short, and end in a zero. */
  private static final int LONGEST_NAME = 128;

  private final Arena arena = Arena.ofShared();
  private final int master;
  private final String name;
  private final MemorySegment in;
  private final MemorySegment out = arena.allocate(1);
  private final MemorySegment poll = arena.allocate(POLLFD_BYTES, Integer.BYTES);

  private Pty(int room, TermiosLayout l) throws IOException {
    in = arena.allocate(room);
    int noctty = l == TermiosLayout.MACOS ? O_NOCTTY_MACOS : O_NOCTTY_LINUX;
    master = TerminalCalls.call(POSIX_OPENPT, O_RDWR | noctty, 0, 0);
    check("posix_openpt", master);
    check("grantpt", TerminalCalls.call(GRANTPT, master, 0, 0));
    check("unlockpt", TerminalCalls.call(UNLOCKPT, master, 0, 0));
    long text = TerminalCalls.word(PTSNAME, master, 0, 0);
    check("ptsname", text == 0 ? -1 : 0);
    name = MemorySegment.ofAddress(text).reinterpret(LONGEST_NAME).getString(0);
    // Nobody is there once somebody has been there and left.
    int other = TerminalCalls.call(OPEN, arena.allocateFrom(name).address(), O_RDWR | noctty, 0);
    check(name, other);
    MemorySegment modes = TerminalCalls.modes(other, arena, l);
    if (modes.byteSize() > 0) {
      TerminalCalls.makeRaw(modes);
      TerminalCalls.setModes(other, modes);
    }
    TerminalCalls.call(CLOSE, other, 0, 0);
  }

  /**
   * Opens a new one.
   *
   * @param room bytes that are read at most at a time
   * @throws IOException if the system has none
   */
  public static Pty open(int room) throws IOException {
    TermiosLayout l = TermiosLayout.here();
    if (l == null || !Pty.class.getModule().isNativeAccessEnabled()) {
      throw new IOException("pseudo terminals are for Linux and macOS on x86-64 and aarch64");
    }
    return new Pty(room, l);
  }

  private static void check(String what, int result) throws IOException {
    if (result < 0) {
      throw new IOException(what + " fails: the system gives no pseudo terminal");
    }
  }

  /** {@return the name to open} */
  public String name() {
    return name;
  }

  /** Waits for bytes; {@return them, none if nobody is there} One thread alone may call it. */
  public byte[] read() {
    int n = TerminalCalls.call(READ, master, in.address(), in.byteSize());
    return n <= 0 ? new byte[0] : in.asSlice(0, n).toArray(ValueLayout.JAVA_BYTE);
  }

  /** Writes a byte; it is lost if nobody is there. One thread alone may call it. */
  public void write(int b) {
    poll.set(ValueLayout.JAVA_INT, 0, master);
    poll.set(ValueLayout.JAVA_SHORT, POLLFD_EVENTS, POLLOUT);
    TerminalCalls.call(POLL, poll.address(), 1, 0);
    if ((poll.get(ValueLayout.JAVA_SHORT, POLLFD_REVENTS) & POLLHUP) == 0) {
      out.set(ValueLayout.JAVA_BYTE, 0, (byte) b);
      TerminalCalls.call(WRITE, master, out.address(), 1);
    }
  }

  /** The name is nobody's any more. Memory stays: a thread may be in the middle of a read. */
  @Override
  public void close() {
    TerminalCalls.call(CLOSE, master, 0, 0);
  }
}
