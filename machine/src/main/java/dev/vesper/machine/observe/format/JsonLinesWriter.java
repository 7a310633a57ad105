package dev.vesper.machine.observe.format;

import dev.vesper.machine.observe.Event;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;

/** Writes events as JSON Lines: one object a line, each with a {@code schema} field. */
public final class JsonLinesWriter implements TraceWriter {
  /** Enough to make up for what a call of the system costs. */
  private static final int MOST_HELD = 1 << 16;

  private final OutputStream out;
  private final TextBuffer held = new TextBuffer();
  private final QuotedTexts texts = new QuotedTexts();

  /**
   * @param out takes UTF-8, some ten thousand bytes at a time
   */
  public JsonLinesWriter(OutputStream out) {
    this.out = out;
  }

  @Override
  public void accept(Event e) {
    EventCodec.write(held, texts, e);
    held.add('\n');
    if (held.length() >= MOST_HELD) {
      try {
        flush();
      } catch (IOException x) {
        throw new UncheckedIOException(x);
      }
    }
  }

  private void flush() throws IOException {
    held.writeTo(out);
    held.clear();
  }

  @Override
  public void close() throws IOException {
    flush();
    out.close();
  }
}
