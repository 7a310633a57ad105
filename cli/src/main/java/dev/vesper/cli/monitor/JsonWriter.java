package dev.vesper.cli.monitor;

import dev.vesper.machine.observe.format.Json;
import java.util.Map;

/** Writes values as JSON in one line: maps, collections, strings, booleans, numbers and null. */
final class JsonWriter {
  private JsonWriter() {}

  /** {@return the text} */
  static String of(Object v) {
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
}
