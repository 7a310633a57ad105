package dev.vesper.machine.observe.format;

import dev.vesper.machine.observe.Event;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;

/** Writes events as JSON Lines: one object a line, each with a {@code schema} field. */
public final class JsonLinesWriter implements TraceWriter {
  /** Name and version of the record layout. */
  public static final String SCHEMA = "vesper.trace/2";

  private final BufferedWriter out;

  public JsonLinesWriter(BufferedWriter out) {
    this.out = out;
  }

  @Override
  public void accept(Event e) {
    StringBuilder b = new StringBuilder(256);
    b.append("{\"schema\":\"").append(SCHEMA).append("\",\"kind\":").append(Json.quote(e.kind()));
    b.append(",\"time_ns\":")
        .append(e.time())
        .append(",\"instructions\":")
        .append(e.instructions());
    b.append(",\"vcpu\":").append(e.vcpu()).append(",\"bits\":").append(e.bits());
    b.append(",\"cpl\":").append(e.cpl()).append(",\"rip\":\"0x").append(Long.toHexString(e.rip()));
    b.append("\",\"symbol\":").append(Json.quote(e.symbol()));
    b.append(",\"source\":").append(Json.quote(e.source()));
    b.append(",\"instruction\":").append(Json.quote(e.instruction()));
    b.append(",\"name\":").append(Json.quote(e.name()));
    for (Map.Entry<String, Object> d : e.details().entrySet()) {
      b.append(',')
          .append(Json.quote(d.getKey()))
          .append(':')
          .append(Json.quote(Event.print(d.getValue())));
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
