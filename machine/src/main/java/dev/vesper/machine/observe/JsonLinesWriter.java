package dev.vesper.machine.observe;

import java.io.BufferedWriter;
import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;

/** Writes events as JSON Lines: one object a line, each with a {@code schema} field. */
public final class JsonLinesWriter implements EventSink, Closeable {
  /** Name and version of the record layout. */
  public static final String SCHEMA = "vesper.trace/1";

  private final BufferedWriter out;

  public JsonLinesWriter(BufferedWriter out) {
    this.out = out;
  }

  /** {@return a JSON string with its quotes} */
  public static String quote(String s) {
    StringBuilder b = new StringBuilder(s.length() + 2).append('"');
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      switch (c) {
        case '"' -> b.append("\\\"");
        case '\\' -> b.append("\\\\");
        default -> {
          if (c < 0x20) {
            b.append(String.format("\\u%04x", (int) c));
          } else {
            b.append(c);
          }
        }
      }
    }
    return b.append('"').toString();
  }

  @Override
  public void accept(Event e) {
    StringBuilder b = new StringBuilder(256);
    b.append("{\"schema\":\"").append(SCHEMA).append("\",\"kind\":").append(quote(e.kind()));
    b.append(",\"time_ns\":")
        .append(e.time())
        .append(",\"instructions\":")
        .append(e.instructions());
    b.append(",\"vcpu\":").append(e.vcpu()).append(",\"bits\":").append(e.bits());
    b.append(",\"cpl\":").append(e.cpl()).append(",\"rip\":\"0x").append(Long.toHexString(e.rip()));
    b.append("\",\"symbol\":").append(quote(e.symbol()));
    b.append(",\"instruction\":").append(quote(e.instruction()));
    b.append(",\"name\":").append(quote(e.name()));
    for (Map.Entry<String, String> d : e.details().entrySet()) {
      b.append(',').append(quote(d.getKey())).append(':').append(quote(d.getValue()));
    }
    b.append("}\n");
    try {
      out.append(b);
    } catch (IOException x) {
      throw new UncheckedIOException(x);
    }
  }

  @Override
  public void close() throws IOException {
    out.close();
  }
}
