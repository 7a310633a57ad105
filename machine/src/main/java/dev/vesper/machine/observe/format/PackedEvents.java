package dev.vesper.machine.observe.format;

import dev.vesper.machine.foreign.Damaged;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.EventSink;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.FilterInputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.SequenceInputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import java.util.zip.Inflater;
import java.util.zip.InflaterInputStream;
import java.util.zip.ZipException;

/**
 * All events of a run so far, packed in memory: whoever looks on in another process, where the run
 * goes on, is told them first and knows then what one knows who has looked on from the beginning.
 * They are JSON Lines by raw deflate (RFC 1951), some 15 bytes an event.
 */
public final class PackedEvents implements EventSink {
  /** Text of events that is kept at most, which is some two million events. */
  private static final long MOST_TEXT = 1L << 30;

  /** An empty last block: what comes before it ends at a byte. */
  private static final byte[] LAST = {1, 0, 0, -1, -1};

  private static final byte[] LINE = {'\n'};

  private final ByteArrayOutputStream packed = new ByteArrayOutputStream();
  private final DeflaterOutputStream out =
      new DeflaterOutputStream(packed, new Deflater(Deflater.BEST_SPEED, true), 1 << 13, true);
  private final JsonLinesWriter writer;
  private final long most;
  private long text;

  /** Begins with a run. */
  public PackedEvents() {
    this(MOST_TEXT);
  }

  PackedEvents(long most) {
    this.most = most;
    writer =
        new JsonLinesWriter(
            new FilterOutputStream(out) {
              @Override
              public void write(byte[] b, int off, int len) throws IOException {
                text += len;
                if (isWhole()) {
                  out.write(b, off, len);
                } else {
                  packed.reset();
                }
              }

              @Override
              public void close() {
                // Others come behind what is written out.
              }
            });
  }

  @Override
  public void accept(Event e) {
    if (isWhole()) {
      writer.accept(e);
    }
  }

  /** {@return whether all events are here: of too many none is} */
  public boolean isWhole() {
    return text <= most;
  }

  /**
   * Writes them; more may come behind that.
   *
   * @throws IllegalStateException if not all are here
   */
  public void writeTo(OutputStream to) throws IOException {
    writer.close();
    if (!isWhole()) {
      throw new IllegalStateException("there were more events than are kept");
    }
    out.flush();
    packed.writeTo(to);
    to.write(LAST);
  }

  /**
   * Tells a sink the events that were written.
   *
   * @throws Damaged if they are none, saying why
   */
  public static void read(InputStream from, EventSink to) throws IOException {
    Inflater raw = new Inflater(true);
    InputStream bounded =
        new FilterInputStream(new InflaterInputStream(from, raw, 1 << 13)) {
          private long read;

          @Override
          public int read(byte[] b, int off, int len) throws IOException {
            int n = unpacked(b, off, len);
            read += Math.max(0, n);
            if (read > MOST_TEXT) {
              throw new Damaged("it has more events than are kept");
            }
            return n;
          }

          private int unpacked(byte[] b, int off, int len) throws IOException {
            try {
              return in.read(b, off, len);
            } catch (EOFException e) {
              throw new Damaged("its events end within one");
            } catch (ZipException e) {
              throw new Damaged("its events are not packed as they must be: " + e.getMessage());
            }
          }
        };
    try {
      // An empty line before them: to be none is no damage, nor to have no end yet.
      InputStream lines = new SequenceInputStream(new ByteArrayInputStream(LINE), bounded);
      JsonLinesReader.read(new InputStreamReader(lines, StandardCharsets.UTF_8), to);
    } catch (IOException | UncheckedIOException e) {
      throw new Damaged("its events: " + e.getMessage());
    } finally {
      raw.end();
    }
  }
}
