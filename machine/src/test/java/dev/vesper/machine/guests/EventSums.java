package dev.vesper.machine.guests;

import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.EventSink;
import dev.vesper.machine.observe.format.JsonLinesWriter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.zip.CRC32C;

/** A checksum for each event of a run as its trace would have it, to compare with another run's. */
final class EventSums implements EventSink {
  private final ByteArrayOutputStream line = new ByteArrayOutputStream();
  private final JsonLinesWriter writer = new JsonLinesWriter(line);
  private final CRC32C crc = new CRC32C();
  private int[] sums = new int[1 << 16];
  private int size;

  @Override
  public void accept(Event e) {
    line.reset();
    writer.accept(e);
    try {
      // The line is written out then; there is nothing else that would end.
      writer.close();
    } catch (IOException x) {
      throw new UncheckedIOException(x);
    }
    crc.reset();
    crc.update(line.toByteArray());
    if (size == sums.length) {
      sums = Arrays.copyOf(sums, 2 * size);
    }
    sums[size++] = (int) crc.getValue();
  }

  /** {@return how many events there were} */
  int size() {
    return size;
  }

  /** {@return the checksums, in order} */
  int[] all() {
    return Arrays.copyOf(sums, size);
  }
}
