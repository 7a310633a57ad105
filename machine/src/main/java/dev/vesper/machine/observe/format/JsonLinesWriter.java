package dev.vesper.machine.observe.format;

import dev.vesper.machine.observe.Event;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;

/** Writes events as JSON Lines: one object a line, each with a {@code schema} field. */
public final class JsonLinesWriter implements TraceWriter {
  /** Enough to make up for what a call of the writer costs. */
  private static final int MOST_HELD = 1 << 15;

  private final Writer out;
  private final StringBuilder held = new StringBuilder(MOST_HELD + 4096);

  public JsonLinesWriter(Writer out) {
    this.out = out;
  }

  @Override
  public void accept(Event e) {
    EventCodec.write(held, e);
    held.append('\n');
    if (held.length() >= MOST_HELD) {
      try {
        flush();
      } catch (IOException x) {
        throw new UncheckedIOException(x);
      }
    }
  }

  private void flush() throws IOException {
    out.append(held);
    held.setLength(0);
  }

  @Override
  public void close() throws IOException {
    flush();
    out.close();
  }
}
