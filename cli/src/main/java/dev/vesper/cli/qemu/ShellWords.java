package dev.vesper.cli.qemu;

import java.util.ArrayList;
import java.util.List;

/**
 * Words of a shell's line (POSIX.1-2024, Shell Command Language, 2.2): quotes and backslashes are
 * taken away, and nothing is expanded.
 */
public final class ShellWords {
  private static final String PLAIN = "[\\w@%+=:,./-]+";

  private ShellWords() {}

  /**
   * {@return the words of a line}
   *
   * @throws IllegalArgumentException if a quote is not closed
   */
  public static List<String> split(String line) {
    List<String> words = new ArrayList<>();
    StringBuilder word = null;
    char quote = 0;
    for (int i = 0; i < line.length(); i++) {
      char c = line.charAt(i);
      boolean more = i + 1 < line.length();
      if (c == '\\' && quote != '\'' && more) {
        char next = line.charAt(++i);
        word = word == null ? new StringBuilder() : word;
        if (next == '\n') {
          word = word.isEmpty() ? null : word;
        } else if (quote == '"' && "\"\\$`".indexOf(next) < 0) {
          word.append(c).append(next);
        } else {
          word.append(next);
        }
      } else if (quote != 0 ? c == quote : c == '\'' || c == '"') {
        word = word == null ? new StringBuilder() : word;
        quote = quote != 0 ? 0 : c;
      } else if (quote == 0 && Character.isWhitespace(c)) {
        if (word != null) {
          words.add(word.toString());
        }
        word = null;
      } else {
        word = word == null ? new StringBuilder() : word;
        word.append(c);
      }
    }
    if (quote != 0) {
      throw new IllegalArgumentException("a quote (" + quote + ") is not closed");
    }
    if (word != null) {
      words.add(word.toString());
    }
    return words;
  }

  /** {@return a line that a shell splits into these words} */
  public static String join(List<String> words) {
    List<String> quoted = new ArrayList<>();
    for (String w : words) {
      quoted.add(w.matches(PLAIN) ? w : "'" + w.replace("'", "'\\''") + "'");
    }
    return String.join(" ", quoted);
  }
}
