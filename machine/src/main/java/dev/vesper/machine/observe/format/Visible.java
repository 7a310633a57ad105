package dev.vesper.machine.observe.format;

/**
 * Text of strangers made fit for people's eyes: what a terminal, a browser or an editor would obey
 * rather than show is spelled out. A guest names its symbols, a trace its places and a file itself
 * as they like, so whoever writes a form that people read passes each such text through here.
 */
public final class Visible {
  private Visible() {}

  /**
   * {@return one line of text} Control characters but tabs become {@code \x1b}; marks that are not
   * seen (overrides of the direction of writing, joiners, separators of lines), halves of surrogate
   * pairs and code points that are no characters become {@code \}{@code u202e} or {@code
   * \U000e0001}. Other text stays what it is, its backslashes too: it is for reading, not for
   * taking apart again.
   */
  public static String of(String s) {
    int i = plain(s, 0, false);
    return i == s.length() ? s : spelled(s, i, false);
  }

  /** {@return the same with line feeds kept: for texts of whose lines each is one of ours} */
  public static String lines(String s) {
    int i = plain(s, 0, true);
    return i == s.length() ? s : spelled(s, i, true);
  }

  private static String spelled(String s, int from, boolean feeds) {
    StringBuilder b = new StringBuilder(s.length() + 16).append(s, 0, from);
    for (int i = from; i < s.length(); ) {
      int c = s.codePointAt(i);
      i += Character.charCount(c);
      if (!hidden(c) || feeds && c == '\n') {
        b.appendCodePoint(c);
      } else if (c < 0x100) {
        hex(b.append("\\x"), c, 2);
      } else if (c < 0x10000) {
        hex(b.append("\\u"), c, 4);
      } else {
        hex(b.append("\\U"), c, 8);
      }
    }
    return b.toString();
  }

  private static void hex(StringBuilder b, int v, int digits) {
    for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
      b.append(Character.forDigit(v >> shift & 15, 16));
    }
  }

  /** {@return where the first thing is that must be spelled out, the length if there is none} */
  private static int plain(String s, int from, boolean feeds) {
    for (int i = from; i < s.length(); i++) {
      char c = s.charAt(i);
      if (c >= 0x7F || c < 0x20) {
        int point = s.codePointAt(i);
        if (hidden(point) && !(feeds && c == '\n')) {
          return i;
        }
        i += Character.charCount(point) - 1;
      }
    }
    return s.length();
  }

  /** {@return whether a code point is obeyed rather than seen; tabs are harmless} */
  static boolean hidden(int c) {
    if (c < 0x7F) {
      return c < 0x20 && c != '\t';
    }
    return switch (Character.getType(c)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR,
          Character.SURROGATE ->
          true;
      default -> (c & 0xFFFE) == 0xFFFE || c >= 0xFDD0 && c <= 0xFDEF;
    };
  }
}
