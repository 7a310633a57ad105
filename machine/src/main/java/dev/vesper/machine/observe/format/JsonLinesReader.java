package dev.vesper.machine.observe.format;

import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.EventSink;
import java.io.BufferedReader;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** Reads events that {@link JsonLinesWriter} wrote. */
public final class JsonLinesReader {
  private static final Set<String> COMMON =
      Set.of(
          "schema",
          "kind",
          "time_ns",
          "instructions",
          "vcpu",
          "bits",
          "cpl",
          "rip",
          "symbol",
          "source",
          "instruction",
          "name");

  private final String line;
  private int at;

  private JsonLinesReader(String line) {
    this.line = line;
  }

  /**
   * Reads a whole trace.
   *
   * @throws IOException if it cannot be read, or with the number of the line that is no record
   */
  public static void read(BufferedReader in, EventSink sink) throws IOException {
    int number = 0;
    for (String s = in.readLine(); s != null; s = in.readLine()) {
      number++;
      if (s.isBlank()) {
        continue;
      }
      try {
        sink.accept(event(s));
      } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
        throw new IOException(
            "line "
                + number
                + " is no record of schema "
                + JsonLinesWriter.SCHEMA
                + (e instanceof IllegalArgumentException ? ": " + e.getMessage() : ""),
            e);
      }
    }
    if (number == 0) {
      throw new IOException("it is empty: no record of schema " + JsonLinesWriter.SCHEMA);
    }
  }

  private static Event event(String line) {
    Map<String, String> all = new JsonLinesReader(line).object();
    if (!JsonLinesWriter.SCHEMA.equals(all.get("schema"))) {
      throw new IllegalArgumentException("its schema is " + all.get("schema"));
    }
    Map<String, Object> details = new LinkedHashMap<>();
    all.forEach(
        (k, v) -> {
          if (!COMMON.contains(k)) {
            details.put(k, v);
          }
        });
    return new Event(
        text(all, "kind"),
        Event.parse(text(all, "time_ns")),
        Event.parse(text(all, "instructions")),
        (int) Event.parse(text(all, "vcpu")),
        (int) Event.parse(text(all, "bits")),
        (int) Event.parse(text(all, "cpl")),
        Event.parse(text(all, "rip")),
        text(all, "symbol"),
        text(all, "source"),
        text(all, "instruction"),
        text(all, "name"),
        details);
  }

  private static String text(Map<String, String> all, String key) {
    String s = all.get(key);
    if (s == null) {
      throw new IllegalArgumentException("it has no " + key);
    }
    return s;
  }

  private char take() {
    return line.charAt(at++);
  }

  private void expect(char c) {
    if (take() != c) {
      throw new IllegalArgumentException("'" + c + "' expected at column " + at);
    }
  }

  /** A flat object of strings and numbers, as the writer makes them. */
  private Map<String, String> object() {
    Map<String, String> m = new LinkedHashMap<>();
    expect('{');
    do {
      String key = string();
      expect(':');
      m.put(key, line.charAt(at) == '"' ? string() : number());
    } while (take() == ',');
    at--;
    expect('}');
    return m;
  }

  private String number() {
    int from = at;
    while ("-0123456789".indexOf(line.charAt(at)) >= 0) {
      at++;
    }
    if (at == from) {
      throw new IllegalArgumentException("a string or a number expected at column " + (at + 1));
    }
    return line.substring(from, at);
  }

  private String string() {
    expect('"');
    StringBuilder b = new StringBuilder();
    for (char c = take(); c != '"'; c = take()) {
      if (c != '\\') {
        b.append(c);
        continue;
      }
      char e = take();
      switch (e) {
        case 'u' -> {
          b.append((char) Integer.parseInt(line, at, at + 4, 16));
          at += 4;
        }
        case 'n' -> b.append('\n');
        case 't' -> b.append('\t');
        default -> b.append(e);
      }
    }
    return b.toString();
  }
}
