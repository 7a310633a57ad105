package dev.vesper.machine.observe.format;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * JSON as maps, lists, strings, booleans and longs. {@link #parse} reads what our writers write:
 * null and fractions are refused. {@link #strict} reads what anybody may say, to the letter.
 */
public final class JsonTree {
  /** A null, which no collection of ours has. */
  public static final Object NULL =
      new Object() {
        @Override
        public String toString() {
          return "null";
        }
      };

  private static final int DEEPEST = 64;

  /** Characters of a number that anybody may say. */
  private static final int LONGEST_NUMBER = 1000;

  private final String text;

  /** All JSON is taken, and nothing that is none (RFC 8259). */
  private final boolean strict;

  private int at;
  private int depth;

  private JsonTree(String text, boolean strict) {
    this.text = text;
    this.strict = strict;
  }

  /**
   * Reads a text.
   *
   * @throws IllegalArgumentException if it is not JSON of this kind
   */
  public static Object parse(String text) {
    return new JsonTree(text, false).all();
  }

  /**
   * Reads a text to the letter (RFC 8259): with nulls, which are {@link #NULL}, and with numbers
   * that are no longs, which are {@link BigDecimal}. Members that occur twice are refused.
   *
   * @throws IllegalArgumentException if it is not JSON
   */
  public static Object strict(String text) {
    return new JsonTree(text, true).all();
  }

  private Object all() {
    Object v = value();
    space();
    if (at != text.length()) {
      throw wrong("the end");
    }
    return v;
  }

  /**
   * {@return a text of one line: maps, collections, strings, booleans, numbers and {@link #NULL},
   * with a blank behind each colon and comma, as QEMU has}
   */
  public static String text(Object v) {
    StringBuilder b = new StringBuilder();
    write(b, v);
    return b.toString();
  }

  private static void write(StringBuilder b, Object v) {
    switch (v) {
      case String s -> b.append(Json.quote(s));
      case Map<?, ?> m -> {
        String gap = "{";
        for (Map.Entry<?, ?> e : m.entrySet()) {
          b.append(gap).append(Json.quote(String.valueOf(e.getKey()))).append(": ");
          write(b, e.getValue());
          gap = ", ";
        }
        b.append(m.isEmpty() ? "{}" : "}");
      }
      case Iterable<?> l -> {
        String gap = "[";
        for (Object e : l) {
          b.append(gap);
          write(b, e);
          gap = ", ";
        }
        b.append(gap.equals("[") ? "[]" : "]");
      }
      // Numbers, booleans and null.
      default -> b.append(v);
    }
  }

  /**
   * Reads an object, member by member: of a name that occurs twice, both.
   *
   * @throws IllegalArgumentException if it is not JSON of this kind
   */
  static void members(String text, BiConsumer<String, Object> to) {
    JsonTree t = new JsonTree(text, false);
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
          case 't', 'f' -> word(c == 't' ? "true" : "false").equals("true");
          case 'n' -> {
            if (!strict) {
              throw wrong("a value");
            }
            word("null");
            yield NULL;
          }
          default -> strict ? number(at) : number();
        };
    depth--;
    return v;
  }

  private String word(String w) {
    if (!text.startsWith(w, at)) {
      throw wrong(w);
    }
    at += w.length();
    return w;
  }

  private boolean digits() {
    int from = at;
    while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
      at++;
    }
    return at > from;
  }

  private boolean skip(String any) {
    boolean is = at < text.length() && any.indexOf(text.charAt(at)) >= 0;
    at += is ? 1 : 0;
    return is;
  }

  /** {@return any number that JSON has, which begins here} */
  private Object number(int from) {
    skip("-");
    if (!skip("0") && !digits()) {
      throw wrong("a value");
    }
    boolean fraction = skip(".");
    if (fraction && !digits()) {
      throw wrong("a digit");
    }
    boolean power = skip("eE");
    if (power) {
      skip("+-");
      if (!digits()) {
        throw wrong("a digit");
      }
    }
    if (at - from > LONGEST_NUMBER) {
      // What it is in binary takes time by the square of its digits.
      throw wrong("a shorter number");
    }
    String n = text.substring(from, at);
    try {
      BigDecimal d = new BigDecimal(n);
      return fraction || power || d.toBigInteger().bitLength() >= Long.SIZE
          ? d
          : (Object) Long.valueOf(n);
    } catch (NumberFormatException e) {
      throw wrong("a smaller number");
    }
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
    members(
        (k, v) -> {
          if (m.put(k, v) != null && strict) {
            throw wrong("no member twice");
          }
        });
    return m;
  }

  private void members(BiConsumer<String, Object> to) {
    expect('{');
    for (boolean first = true; peek() != '}'; first = false) {
      if (!first) {
        expect(',');
        peek();
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
        if (strict && peek() == ']') {
          throw wrong("a value");
        }
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
      if (strict && c < 0x20) {
        throw wrong("an escape for a control character");
      }
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
        yield hexadecimal(at - 4);
      }
      case '"', '\\', '/' -> c;
      default -> {
        if (strict) {
          throw wrong("an escape");
        }
        yield c;
      }
    };
  }

  private char hexadecimal(int from) {
    int v = 0;
    for (int i = from; i < from + 4; i++) {
      int d = text.charAt(i) < 0x80 ? Character.digit(text.charAt(i), 16) : -1;
      if (d < 0) {
        throw wrong("four digits");
      }
      v = v << 4 | d;
    }
    return (char) v;
  }
}
