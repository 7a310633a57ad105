package dev.vesper.cli.tty;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/**
 * The terminal on standard input while it is a guest's console: every key is the guest's, those
 * that send signals too, and nothing is echoed but by the guest. Output is processed as before, so
 * that lines of ours begin at the left.
 *
 * <p>The modes of before come back by {@link #restore}, and by themselves when the JVM ends or is
 * stopped by SIGTSTP. What ends the process without the JVM's doing (SIGKILL, a fault of the JVM)
 * leaves the terminal as it is, as does SIGSTOP until SIGCONT.
 */
public final class RawTerminal {
  /** The modes before and while the guest has the terminal, of which the kernel has a copy. */
  private record Modes(MemorySegment before, MemorySegment raw) {}

  /** Null while the terminal is not the guest's. */
  private static @Nullable Modes modes;

  private static boolean hooked;

  private RawTerminal() {}

  /**
   * Gives the terminal to the guest, if standard input is one.
   *
   * @return whether it is
   */
  public static synchronized boolean enter() {
    TermiosLayout l = TermiosLayout.here();
    if (l == null || !RawTerminal.class.getModule().isNativeAccessEnabled() || !mayBeTerminal()) {
      return false;
    }
    if (modes != null) {
      return true;
    }
    if (!TerminalCalls.isTerminal()) {
      return false;
    }
    // Who restores may be the JVM's last thread: no scope ends before it.
    MemorySegment before = TerminalCalls.modes(Arena.global(), l);
    MemorySegment raw = TerminalCalls.modes(Arena.global(), l);
    if (before.byteSize() == 0 || raw.byteSize() == 0) {
      return false;
    }
    TerminalCalls.makeRaw(raw);
    l.output(raw, l.output(before) | TermiosLayout.OPOST);
    modes = new Modes(before, raw);
    if (!hooked) {
      hooked = true;
      Runtime.getRuntime().addShutdownHook(new Thread(RawTerminal::restore, "terminal"));
      handle("TSTP", s -> stop());
      handle("CONT", s -> show(true));
    }
    show(true);
    return true;
  }

  /** Gives the terminal back as it was; any number of times, from any thread. */
  public static synchronized void restore() {
    show(false);
    modes = null;
  }

  /** A file, a pipe or nothing, which needs no call of the C library to be known. */
  private static boolean mayBeTerminal() {
    Path in = Path.of("/dev/stdin");
    try {
      return Files.exists(in)
          && !Files.isRegularFile(in)
          && !Files.isSameFile(in, Path.of("/dev/null"))
          && (Integer.parseInt(String.valueOf(Files.getAttribute(in, "unix:mode"))) & 0xF000)
              == 0x2000;
    } catch (IOException | UnsupportedOperationException | IllegalArgumentException e) {
      return true;
    }
  }

  private static synchronized void show(boolean raw) {
    Modes m = modes;
    if (m != null && !TerminalCalls.inBackground()) {
      TerminalCalls.setModes(raw ? m.raw : m.before);
    }
  }

  /** SIGTSTP: stops the process as if nobody had caught it, and goes on behind SIGCONT. */
  private static void stop() {
    show(false);
    Signal tstp = new Signal("TSTP");
    SignalHandler ours = Signal.handle(tstp, SignalHandler.SIG_DFL);
    TerminalCalls.raise(tstp.getNumber());
    Signal.handle(tstp, ours);
    show(true);
  }

  private static void handle(String name, SignalHandler h) {
    try {
      Signal.handle(new Signal(name), h);
    } catch (IllegalArgumentException e) {
      // Somebody else's, as a JVM that was told to leave signals alone: it stops as it always did.
      return;
    }
  }
}
