package dev.vesper.machine.observe.format;

import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.EventSink;
import java.io.IOException;
import java.io.Reader;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Reads events that {@link JsonLinesWriter} wrote. */
public final class JsonLinesReader {
  /** No event that the writer is given takes as much: 16 Mi characters. */
  private static final int MOST_LINE = 1 << 24;

  private final Reader in;
  private final char[] buffer = new char[1 << 14];
  private int at;
  private int end;
  private int number;

  /** Whether the last line was ended by a line feed. */
  private boolean whole;

  private JsonLinesReader(Reader in) {
    this.in = in;
  }

  /**
   * Reads a trace to its end, or as far as it goes if its writer was stopped.
   *
   * @return where it is cut off and how one sees that, in words; empty if it has its end
   * @throws IOException if it cannot be read, or with the number of the line that is no record
   */
  public static Optional<String> read(Reader in, EventSink sink) throws IOException {
    JsonLinesReader r = new JsonLinesReader(in);
    boolean ended = false;
    for (String s = r.line(); s != null; s = r.line()) {
      if (s.isBlank()) {
        continue;
      }
      Event e;
      try {
        e = r.event(s);
      } catch (IOException x) {
        if (r.whole || r.number == 1) {
          throw x;
        }
        return Optional.of("in the middle of line " + r.number);
      }
      ended = e instanceof Event.Ended;
      sink.accept(e);
    }
    if (r.number == 0) {
      throw new IOException("it is empty: no record of schema " + EventCodec.SCHEMA);
    }
    return ended
        ? Optional.empty()
        : Optional.of("behind line " + r.number + ", which is no record of an end");
  }

  private Event event(String line) throws IOException {
    try {
      return EventCodec.read(line);
    } catch (NumberFormatException e) {
      throw refused("a number in it is damaged", e);
    } catch (IllegalArgumentException e) {
      throw refused(String.valueOf(e.getMessage()), e);
    }
  }

  private IOException refused(String why, @Nullable Exception e) {
    return new IOException(
        "line " + number + " is no record of schema " + EventCodec.SCHEMA + ": " + why, e);
  }

  /** {@return the next line, or null behind the last} */
  private @Nullable String line() throws IOException {
    StringBuilder line = null;
    while (true) {
      if (at == end) {
        end = in.read(buffer);
        at = 0;
        if (end <= 0) {
          end = 0;
          whole = false;
          return line == null ? null : line.toString();
        }
      }
      if (line == null) {
        number++;
        line = new StringBuilder();
      }
      int from = at;
      while (at < end && buffer[at] != '\n') {
        at++;
      }
      line.append(buffer, from, at - from);
      if (line.length() > MOST_LINE) {
        throw refused("it is longer than " + MOST_LINE + " characters", null);
      }
      if (at < end) {
        at++;
        whole = true;
        return line.toString();
      }
    }
  }
}
