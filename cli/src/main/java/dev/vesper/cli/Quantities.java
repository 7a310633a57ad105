package dev.vesper.cli;

import java.util.Locale;

/** Numbers with units, as people write them. */
final class Quantities {
  private Quantities() {}

  /**
   * {@return seconds of a time: 90, 1.5, 90s, 200ms, 2m or 1h}
   *
   * @throws NumberFormatException if it is none
   */
  static double seconds(String text) {
    String t = text.trim().toLowerCase(Locale.ROOT);
    if (t.endsWith("ms")) {
      return Double.parseDouble(t.substring(0, t.length() - 2)) / 1000;
    }
    double unit =
        switch (t.isEmpty() ? ' ' : t.charAt(t.length() - 1)) {
          case 's' -> 1;
          case 'm' -> 60;
          case 'h' -> 3600;
          default -> 0;
        };
    // What Java takes for a number besides digits (d, f, hex, NaN) no person means.
    String number = unit == 0 ? t : t.substring(0, t.length() - 1);
    for (int i = 0; i < number.length(); i++) {
      if ("0123456789.-+e".indexOf(number.charAt(i)) < 0) {
        throw new NumberFormatException(text);
      }
    }
    return Double.parseDouble(number) * (unit == 0 ? 1 : unit);
  }

  /**
   * {@return a number: 5000, 0x10, 10K, 10M or 2G, which are thousands of thousands}
   *
   * @throws NumberFormatException if it is none, or too large
   */
  static long count(String text) {
    String t = text.trim().toUpperCase(Locale.ROOT);
    long unit =
        switch (t.isEmpty() ? ' ' : t.charAt(t.length() - 1)) {
          case 'K' -> 1_000;
          case 'M' -> 1_000_000;
          case 'G' -> 1_000_000_000;
          default -> 1;
        };
    long n = Long.decode(unit == 1 ? t : t.substring(0, t.length() - 1));
    try {
      return Math.multiplyExact(n, unit);
    } catch (ArithmeticException e) {
      throw (NumberFormatException) new NumberFormatException(text).initCause(e);
    }
  }
}
