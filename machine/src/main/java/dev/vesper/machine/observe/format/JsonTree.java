package dev.vesper.machine.observe.format;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Reads a JSON text into maps, lists, strings, booleans and longs; null and fractions, which our
 * writers do not write, are refused.
 */
public final class JsonTree {
  private static final int DEEPEST = 64;

  private final String text;
  private int at;
  private int depth;

  private JsonTree(String text) {
    this.text = text;
  }

  /**
   * Reads a text.
   *
   * @throws IllegalArgumentException if it is not JSON of this kind
   */
  public static Object parse(String text) {
    JsonTree t = new JsonTree(text);
    Object v = t.value();
    t.space();
    if (t.at != text.length()) {
      throw t.wrong("the end");
    }
    return v;
  }

  /**
   * Reads an object, member by member: of a name that occurs twice, both.
   *
   * @throws IllegalArgumentException if it is not JSON of this kind
   */
  static void members(String text, BiConsumer<String, Object> to) {
    JsonTree t = new JsonTree(text);
    t.members(to);
    t.space();
    if (t.at != text.length()) {
      throw t.wrong("the end");
    }
  }

  /** {@return an object's members; IllegalArgumentException if it is none} */
  @SuppressWarnings("unchecked")
  public static Map<String, Object> object(@Nullable Object v) {
    if (v instanceof Map<?, ?> m) {
      return (Map<String, Object>) m;
    }
    throw new IllegalArgumentException("an object is missing");
  }

  /** {@return an array's elements; IllegalArgumentException if it is none} */
  @SuppressWarnings("unchecked")
  public static List<Object> array(@Nullable Object v) {
    if (v instanceof List<?> l) {
      return (List<Object>) l;
    }
    throw new IllegalArgumentException("an array is missing");
  }

  private IllegalArgumentException wrong(String expected) {
    return new IllegalArgumentException("no JSON at character " + at + ": expected " + expected);
  }

  private void space() {
    while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
      at++;
    }
  }

  private char peek() {
    space();
    if (at == text.length()) {
      throw wrong("more");
    }
    return text.charAt(at);
  }

  private void expect(char c) {
    if (peek() != c) {
      throw wrong("'" + c + "'");
    }
    at++;
  }

  private Object value() {
    if (++depth > DEEPEST) {
      throw wrong("less depth");
    }
    char c = peek();
    Object v =
        switch (c) {
          case '{' -> members();
          case '[' -> elements();
          case '"' -> string();
          case 't', 'f' -> word(c == 't' ? "true" : "false");
          default -> number();
        };
    depth--;
    return v;
  }

  private Boolean word(String w) {
    if (!text.startsWith(w, at)) {
      throw wrong(w);
    }
    at += w.length();
    return w.equals("true");
  }

  private Long number() {
    int start = at;
    while (at < text.length() && "-0123456789".indexOf(text.charAt(at)) >= 0) {
      at++;
    }
    try {
      return Long.parseLong(text, start, at, 10);
    } catch (NumberFormatException | IndexOutOfBoundsException e) {
      throw wrong("a value");
    }
  }

  private Map<String, Object> members() {
    Map<String, Object> m = new LinkedHashMap<>();
    members(m::put);
    return m;
  }

  private void members(BiConsumer<String, Object> to) {
    expect('{');
    for (boolean first = true; peek() != '}'; first = false) {
      if (!first) {
        expect(',');
        space();
      }
      String key = string();
      expect(':');
      to.accept(key, value());
    }
    expect('}');
  }

  private List<Object> elements() {
    List<Object> l = new ArrayList<>();
    expect('[');
    while (peek() != ']') {
      if (!l.isEmpty()) {
        expect(',');
      }
      l.add(value());
    }
    expect(']');
    return l;
  }

  private String string() {
    expect('"');
    StringBuilder b = new StringBuilder();
    while (at < text.length() && text.charAt(at) != '"') {
      char c = text.charAt(at++);
      b.append(c == '\\' ? escape() : c);
    }
    if (at == text.length()) {
      throw wrong("'\"'");
    }
    at++;
    return b.toString();
  }

  private char escape() {
    if (at == text.length()) {
      throw wrong("an escape");
    }
    char c = text.charAt(at++);
    return switch (c) {
      case 'n' -> '\n';
      case 't' -> '\t';
      case 'r' -> '\r';
      case 'b' -> '\b';
      case 'f' -> '\f';
      case 'u' -> {
        if (at + 4 > text.length()) {
          throw wrong("four digits");
        }
        at += 4;
        try {
          yield (char) Integer.parseInt(text, at - 4, at, 16);
        } catch (NumberFormatException e) {
          throw wrong("four digits");
        }
      }
      default -> c;
    };
  }
}
