package dev.vesper.cli.monitor;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads a JSON text (RFC 8259) to the letter: what is no JSON is refused, as are members that occur
 * twice. Values are maps, lists, strings, booleans, longs, other numbers as BigDecimal, and {@link
 * #NULL}.
 */
final class JsonReader {
  /** A null, which no collection of ours has. */
  static final Object NULL =
      new Object() {
        @Override
        public String toString() {
          return "null";
        }
      };

  static final int DEEPEST = 64;

  private final String text;
  private int at;
  private int depth;

  private JsonReader(String text) {
    this.text = text;
  }

  /** Reads a whole text. */
  static Object parse(String text) throws JsonError {
    JsonReader r = new JsonReader(text);
    Object v = r.value();
    r.space();
    if (r.at != text.length()) {
      throw r.wrong("the end");
    }
    return v;
  }

  private JsonError wrong(String expected) {
    return new JsonError("JSON parse error, expecting " + expected + " at character " + at);
  }

  private void space() {
    while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
      at++;
    }
  }

  private char peek() throws JsonError {
    space();
    if (at == text.length()) {
      throw wrong("more");
    }
    return text.charAt(at);
  }

  private Object value() throws JsonError {
    if (++depth > DEEPEST) {
      throw wrong("less depth");
    }
    Object v =
        switch (peek()) {
          case '{' -> object();
          case '[' -> array();
          case '"' -> string();
          case 't' -> word("true", true);
          case 'f' -> word("false", false);
          case 'n' -> word("null", NULL);
          default -> number();
        };
    depth--;
    return v;
  }

  private Object word(String w, Object v) throws JsonError {
    if (!text.startsWith(w, at)) {
      throw wrong("a value");
    }
    at += w.length();
    return v;
  }

  private Map<String, Object> object() throws JsonError {
    Map<String, Object> m = new LinkedHashMap<>();
    at++;
    for (boolean first = true; peek() != '}'; first = false) {
      comma(first);
      if (peek() != '"') {
        throw wrong("a string");
      }
      String key = string();
      if (peek() != ':') {
        throw wrong("':'");
      }
      at++;
      if (m.put(key, value()) != null) {
        throw new JsonError("JSON parse error, a key occurs twice before character " + at);
      }
    }
    at++;
    return m;
  }

  private List<Object> array() throws JsonError {
    List<Object> l = new ArrayList<>();
    at++;
    while (peek() != ']') {
      comma(l.isEmpty());
      l.add(value());
    }
    at++;
    return l;
  }

  private void comma(boolean first) throws JsonError {
    if (first) {
      return;
    }
    if (peek() != ',') {
      throw wrong("',' or the end of it");
    }
    at++;
    if (peek() == '}' || peek() == ']') {
      throw wrong("a value");
    }
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

  private Object number() throws JsonError {
    int from = at;
    skip("-");
    boolean zero = skip("0");
    if (!zero && !digits()) {
      throw wrong("a value");
    }
    boolean whole = true;
    if (skip(".")) {
      whole = false;
      if (!digits()) {
        throw wrong("a digit");
      }
    }
    if (skip("eE")) {
      whole = false;
      skip("+-");
      if (!digits()) {
        throw wrong("a digit");
      }
    }
    String n = text.substring(from, at);
    try {
      return whole && n.length() < 19 ? (Object) Long.valueOf(n) : new BigDecimal(n);
    } catch (NumberFormatException e) {
      throw wrong("a smaller number");
    }
  }

  private String string() throws JsonError {
    at++;
    StringBuilder b = new StringBuilder();
    while (at < text.length() && text.charAt(at) != '"') {
      char c = text.charAt(at++);
      if (c < 0x20) {
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

  private char escape() throws JsonError {
    if (at == text.length()) {
      throw wrong("an escape");
    }
    char c = text.charAt(at++);
    return switch (c) {
      case '"', '\\', '/' -> c;
      case 'n' -> '\n';
      case 't' -> '\t';
      case 'r' -> '\r';
      case 'b' -> '\b';
      case 'f' -> '\f';
      case 'u' -> unicode();
      default -> throw wrong("an escape");
    };
  }

  private char unicode() throws JsonError {
    int v = 0;
    for (int i = 0; i < 4; i++, at++) {
      int d =
          at < text.length() && text.charAt(at) < 0x80 ? Character.digit(text.charAt(at), 16) : -1;
      if (d < 0) {
        throw wrong("four hexadecimal digits");
      }
      v = v << 4 | d;
    }
    return (char) v;
  }
}
