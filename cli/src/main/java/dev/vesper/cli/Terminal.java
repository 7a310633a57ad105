package dev.vesper.cli;

import dev.vesper.machine.observe.format.TraceWriter;
import dev.vesper.machine.observe.format.Visible;
import java.io.BufferedOutputStream;
import java.io.Console;
import java.io.FileDescriptor;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * What Vesper itself says, on stdout and stderr. Names of files, symbols and whatever else
 * strangers chose are in it, so nothing reaches a terminal but through here. What the guest says
 * goes to its console as it is: the terminal is the guest's.
 */
final class Terminal {
  /** Of a stack. */
  private static final int MOST_LINES = 60;

  /** When the write began that is going on, by {@link System#nanoTime}; 0 if none is. */
  private static volatile long since;

  private Terminal() {}

  private static void show(PrintStream to, String text) {
    since = System.nanoTime() | 1;
    try {
      to.print(text);
    } finally {
      since = 0;
    }
  }

  /** {@return whether nobody has taken what is said for so many nanoseconds} */
  static boolean stuck(long nanos) {
    long s = since;
    return s != 0 && System.nanoTime() - s > nanos;
  }

  /**
   * Has results refused loudly from now on. Whoever reads them may stop, and a disk may be full:
   * System.out keeps both to itself.
   */
  static void watchOut() {
    OutputStream out = new StandardOutput(FileDescriptor.out, "the result to stdout");
    System.setOut(new PrintStream(new BufferedOutputStream(out), false, System.out.charset()));
  }

  /** {@return whether somebody sits in front of standard input and output} */
  static boolean isInteractive() {
    Console c = System.console();
    return c != null && c.isTerminal();
  }

  /** {@return whether what is said on stderr is on a terminal, where Linux can tell} */
  static boolean isSeen() {
    try {
      String to = Files.readSymbolicLink(Path.of("/proc/self/fd/2")).toString();
      return to.startsWith("/dev/pts/") || to.startsWith("/dev/tty");
    } catch (IOException | UnsupportedOperationException e) {
      return false;
    }
  }

  /** Shows how far something has come, in place of what was shown so; on a terminal only. */
  static void progress(String text) {
    show(System.err, "\r" + Visible.of(text) + "\u001b[K");
  }

  /** Shows lines in place of what was on the screen; on a terminal only. */
  static void screen(List<String> lines) {
    StringBuilder b = new StringBuilder("\u001b[H");
    lines.forEach(l -> b.append(Visible.of(l)).append("\u001b[K\r\n"));
    show(System.err, b.append("\u001b[J").toString());
  }

  /**
   * Has all of the results written.
   *
   * @throws OutputError if they are not taken
   */
  static void flushOut() {
    System.out.flush();
  }

  /** {@return whether standard output has a character} */
  static boolean canPrint(char c) {
    return System.out.charset().newEncoder().canEncode(c);
  }

  /** Prints a result, a line. */
  static void out(String line) {
    show(System.out, Visible.of(line) + System.lineSeparator());
  }

  /** Prints a result of several lines, each of which is ours. */
  static void outLines(String text) {
    show(System.out, Visible.lines(text));
  }

  /** Takes the last character of a line back that is being typed. */
  static void erase() {
    show(System.err, "\b \b");
  }

  /** Prints a line about what happens. */
  static void err(String line) {
    show(System.err, Visible.of(line) + System.lineSeparator());
  }

  /** Prints several lines about what happens, each of which is ours. */
  static void errLines(String text) {
    show(System.err, Visible.lines(text));
  }

  /** Prints a message of the command: one line on stderr. */
  static void say(String message) {
    err("vesper: " + message);
  }

  /** Prints where an exception comes from. */
  static void err(Throwable e) {
    StringWriter w = new StringWriter();
    try (PrintWriter p = new PrintWriter(w)) {
      e.printStackTrace(p);
    }
    // A stack that has overflowed is a thousand times the same.
    w.toString().lines().limit(MOST_LINES).forEach(Terminal::err);
  }

  /** Has all been shown. */
  static void flush() {
    System.err.flush();
  }

  /** {@return a writer of events to stderr by whatever stands before it} */
  static TraceWriter lines(OutputStream before) {
    return new TraceFiles.Text(before, errStream().charset());
  }

  /** {@return where writers go that make each line fit for a terminal themselves} */
  static PrintStream errStream() {
    return System.err;
  }
}
