package dev.vesper.machine.oracle;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A small JSON reader for test data: maps, lists, strings, longs, booleans and null. */
public final class Json {
  private final String s;
  private int at;

  private Json(String s) {
    this.s = s;
  }

  /** {@return the value of a JSON text} */
  public static Object parse(String text) {
    Json j = new Json(text);
    Object v = j.value();
    j.space();
    if (j.at != text.length()) {
      throw new IllegalArgumentException("trailing text at " + j.at);
    }
    return v;
  }

  private void space() {
    while (at < s.length() && s.charAt(at) <= ' ') {
      at++;
    }
  }

  private Object value() {
    space();
    char c = s.charAt(at);
    switch (c) {
      case '{':
        {
          at++;
          Map<String, Object> m = new LinkedHashMap<>();
          space();
          if (s.charAt(at) == '}') {
            at++;
            return m;
          }
          for (; ; ) {
            space();
            String k = string();
            space();
            expect(':');
            m.put(k, value());
            space();
            if (s.charAt(at++) == '}') {
              return m;
            }
          }
        }
      case '[':
        {
          at++;
          List<Object> l = new ArrayList<>();
          space();
          if (s.charAt(at) == ']') {
            at++;
            return l;
          }
          for (; ; ) {
            l.add(value());
            space();
            if (s.charAt(at++) == ']') {
              return l;
            }
          }
        }
      case '"':
        return string();
      case 't':
        at += 4;
        return Boolean.TRUE;
      case 'f':
        at += 5;
        return Boolean.FALSE;
      case 'n':
        at += 4;
        return "";
      default:
        int from = at;
        while (at < s.length() && "+-.eE0123456789".indexOf(s.charAt(at)) >= 0) {
          at++;
        }
        return Long.valueOf(s.substring(from, at));
    }
  }

  private void expect(char c) {
    if (s.charAt(at++) != c) {
      throw new IllegalArgumentException("expected " + c + " at " + (at - 1));
    }
  }

  private String string() {
    expect('"');
    StringBuilder b = new StringBuilder();
    for (; ; ) {
      char c = s.charAt(at++);
      if (c == '"') {
        return b.toString();
      }
      if (c != '\\') {
        b.append(c);
        continue;
      }
      char e = s.charAt(at++);
      switch (e) {
        case 'n' -> b.append('\n');
        case 't' -> b.append('\t');
        case 'r' -> b.append('\r');
        case 'b' -> b.append('\b');
        case 'f' -> b.append('\f');
        case 'u' -> {
          b.append((char) Integer.parseInt(s.substring(at, at + 4), 16));
          at += 4;
        }
        default -> b.append(e);
      }
    }
  }
}
