package dev.vesper.cli.tty;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Where a system has its flags in {@code struct termios}. Flags are words of the computer's order.
 *
 * @param bytes length of the structure
 * @param output offset of {@code c_oflag}
 * @param wide flags have 64 bits, else 32
 */
record TermiosLayout(int bytes, int output, boolean wide) {
  /** glibc and musl, on x86-64 and aarch64 (bits/termios-struct.h): c_cc has 32 bytes. */
  static final TermiosLayout LINUX = new TermiosLayout(60, 4, false);

  /** Darwin, 64 bits (sys/termios.h): c_cc has 20 bytes, speeds are words. */
  static final TermiosLayout MACOS = new TermiosLayout(72, 8, true);

  /** {@code c_oflag}: what is written is processed, line feeds above all; the same everywhere. */
  static final long OPOST = 1;

  /** {@return that of the system that the JVM runs on, or null if it is not known} */
  static @Nullable TermiosLayout here() {
    return of(System.getProperty("os.name", ""), System.getProperty("os.arch", ""));
  }

  /**
   * {@return a system's, or null if it is not known}
   *
   * @param os as the JVM calls it in {@code os.name}
   * @param arch as the JVM calls it in {@code os.arch}
   */
  static @Nullable TermiosLayout of(String os, String arch) {
    boolean known =
        switch (arch.toLowerCase(Locale.ROOT)) {
          case "amd64", "x86_64", "aarch64" -> true;
          default -> false;
        };
    if (!known) {
      return null;
    }
    return os.equals("Linux") ? LINUX : os.startsWith("Mac OS X") ? MACOS : null;
  }

  /** {@return the output flags} */
  long output(MemorySegment termios) {
    return wide
        ? termios.get(ValueLayout.JAVA_LONG, output)
        : termios.get(ValueLayout.JAVA_INT, output);
  }

  /** Sets the output flags. */
  void output(MemorySegment termios, long flags) {
    if (wide) {
      termios.set(ValueLayout.JAVA_LONG, output, flags);
    } else {
      termios.set(ValueLayout.JAVA_INT, output, (int) flags);
    }
  }
}
