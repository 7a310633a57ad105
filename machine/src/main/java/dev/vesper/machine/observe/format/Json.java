package dev.vesper.machine.observe.format;

import java.util.ArrayDeque;
import java.util.Deque;

/** Builds JSON text. Misuse gives wrong text, not exceptions: it is for our own writers only. */
public final class Json {
  private final StringBuilder b = new StringBuilder();
  private final Deque<Character> open = new ArrayDeque<>();
  private boolean first = true;

  /** {@return a JSON string with its quotes} */
  public static String quote(String s) {
    StringBuilder b = new StringBuilder(s.length() + 2);
    quote(b, s);
    return b.toString();
  }

  /** Appends a JSON string with its quotes. */
  static void quote(StringBuilder b, String s) {
    b.append('"');
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      if (c == '"' || c == '\\') {
        b.append('\\').append(c);
      } else if (c < 0x20) {
        b.append("\\u00").append(Character.forDigit(c >> 4, 16));
        b.append(Character.forDigit(c & 15, 16));
      } else {
        b.append(c);
      }
    }
    b.append('"');
  }

  private void comma() {
    if (!first) {
      b.append(',');
    }
    first = false;
  }

  /** Begins an object. */
  public Json object() {
    return begin('{', '}');
  }

  /** Begins an array. */
  public Json array() {
    return begin('[', ']');
  }

  private Json begin(char c, char closing) {
    comma();
    b.append(c);
    open.push(closing);
    first = true;
    return this;
  }

  /** Ends the innermost object or array. */
  public Json end() {
    b.append(open.pop());
    first = false;
    return this;
  }

  /** Writes a key; its value follows. */
  public Json key(String k) {
    comma();
    quote(b, k);
    b.append(':');
    first = true;
    return this;
  }

  /** Writes a string. */
  public Json value(String s) {
    comma();
    quote(b, s);
    return this;
  }

  /** Writes a number. */
  public Json value(long v) {
    comma();
    b.append(v);
    return this;
  }

  @Override
  public String toString() {
    return b.toString();
  }
}
