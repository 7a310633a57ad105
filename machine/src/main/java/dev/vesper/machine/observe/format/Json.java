package dev.vesper.machine.observe.format;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Builds JSON text, of which what {@link Visible} spells out is escaped: it may be shown as it is.
 * Misuse gives wrong text, not exceptions: it is for our own writers only.
 */
public final class Json {
  private final TextBuffer b = new TextBuffer();
  private final Deque<Character> open = new ArrayDeque<>();
  private boolean first = true;

  /** {@return a JSON string with its quotes} */
  public static String quote(String s) {
    TextBuffer b = new TextBuffer();
    quote(b, s);
    return b.toString();
  }

  /** Appends a JSON string with its quotes. */
  static void quote(TextBuffer b, String s) {
    b.add('"');
    // What needs no escape goes there in one piece: it may hold pairs of surrogates.
    int from = 0;
    for (int i = 0; i < s.length(); ) {
      char c = s.charAt(i);
      int length = 1;
      boolean hidden = c < 0x20;
      if (c >= 0x7F) {
        int point = s.codePointAt(i);
        length = Character.charCount(point);
        hidden = Visible.hidden(point);
      }
      if (hidden || c == '"' || c == '\\') {
        b.add(s.substring(from, i));
        from = i + length;
        if (hidden) {
          for (int k = i; k < from; k++) {
            b.add("\\u").hexByte(s.charAt(k) >> 8).hexByte(s.charAt(k));
          }
        } else {
          b.add('\\').add(c);
        }
      }
      i += length;
    }
    b.add(s.substring(from)).add('"');
  }

  private void comma() {
    if (!first) {
      b.add(',');
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
    b.add(c);
    open.push(closing);
    first = true;
    return this;
  }

  /** Ends the innermost object or array. */
  public Json end() {
    b.add(open.pop());
    first = false;
    return this;
  }

  /** Writes a key; its value follows. */
  public Json key(String k) {
    comma();
    quote(b, k);
    b.add(':');
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
    b.decimal(v);
    return this;
  }

  @Override
  public String toString() {
    return b.toString();
  }
}
