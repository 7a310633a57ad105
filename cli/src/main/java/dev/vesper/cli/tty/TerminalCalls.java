package dev.vesper.cli.tty;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Functions of the C library for the terminal on standard input (termios(3)). They are linked when
 * the first one is called, which a run without a terminal never does.
 */
final class TerminalCalls {
  private static final int STDIN = 0;

  /** Modes change at once; what was typed before stays. */
  private static final int TCSANOW = 0;

  private static final Linker LINKER = Linker.nativeLinker();

  // Each form of call costs a start some milliseconds, so there is one: three words, of which a
  // function looks at those that it has. Both calling conventions pass them in registers.
  private static final MethodHandle ISATTY = find("isatty");
  private static final MethodHandle TCGETATTR = find("tcgetattr");
  private static final MethodHandle TCSETATTR = find("tcsetattr");
  private static final MethodHandle CFMAKERAW = find("cfmakeraw");
  private static final MethodHandle TCGETPGRP = find("tcgetpgrp");
  private static final MethodHandle GETPGRP = find("getpgrp");
  private static final MethodHandle RAISE = find("raise");

  private TerminalCalls() {}

  /** {@return a function that takes up to three words} */
  static MethodHandle find(String name) {
    ValueLayout.OfLong word = ValueLayout.JAVA_LONG;
    return LINKER.downcallHandle(
        LINKER.defaultLookup().findOrThrow(name), FunctionDescriptor.of(word, word, word, word));
  }

  /** {@return the result, an int: what is above its 32 bits is not defined} */
  static int call(MethodHandle f, long a, long b, long c) {
    return (int) word(f, a, b, c);
  }

  /** {@return the result, a word or an address} */
  static long word(MethodHandle f, long a, long b, long c) {
    try {
      return (long) f.invokeExact(a, b, c);
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  /** {@return whether standard input is a terminal} */
  static boolean isTerminal() {
    return call(ISATTY, STDIN, 0, 0) == 1;
  }

  /** {@return the terminal's modes, or a structure of no length if it does not say} */
  static MemorySegment modes(Arena arena, TermiosLayout l) {
    return modes(STDIN, arena, l);
  }

  /** {@return the modes of what is open as a terminal, no length if it does not say} */
  static MemorySegment modes(int descriptor, Arena arena, TermiosLayout l) {
    MemorySegment m = arena.allocate(l.bytes(), Long.BYTES);
    return call(TCGETATTR, descriptor, m.address(), 0) == 0 ? m : MemorySegment.NULL;
  }

  /** Sets the terminal's modes, as far as it takes them. */
  static void setModes(MemorySegment m) {
    setModes(STDIN, m);
  }

  /** Sets the modes of what is open as a terminal. */
  static void setModes(int descriptor, MemorySegment m) {
    call(TCSETATTR, descriptor, TCSANOW, m.address());
  }

  /** Makes modes those in which every byte passes as it is, in both directions. */
  static void makeRaw(MemorySegment m) {
    call(CFMAKERAW, m.address(), 0, 0);
  }

  /** Sends the calling thread a signal; what it does to the process is done when this returns. */
  static void raise(int signal) {
    call(RAISE, signal, 0, 0);
  }

  /**
   * {@return whether the terminal is another job's now} Who sets its modes then is stopped by the
   * system, and would set them for the other job.
   */
  static boolean inBackground() {
    int owner = call(TCGETPGRP, STDIN, 0, 0);
    return owner >= 0 && owner != call(GETPGRP, 0, 0, 0);
  }
}
