package dev.vesper.machine.observe.html;

import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.PageSpan;
import dev.vesper.machine.observe.format.EventCodec;
import dev.vesper.machine.observe.format.Json;
import dev.vesper.machine.observe.format.Key;
import dev.vesper.machine.observe.format.TextBuffer;
import dev.vesper.machine.observe.format.Visible;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.zip.GZIPOutputStream;

/**
 * Some rows of the table, packed: an array of three strings, each base64 of gzip of JSON. The first
 * is an object with an array for each column, in which texts are numbers of those in {@code text};
 * the second is an array with the details of each row, a line a field; the third says which rows
 * are about which pages of memory: for each such row its number in the chunk, the number of the
 * first page, how many there are, and the instructions executed before. It is empty if there are
 * none. The page unpacks the first when it is opened, the second when somebody looks at a row, the
 * third when somebody looks a page up.
 */
final class Chunk {
  /** Rows of each chunk but the last. */
  static final int ROWS = 4096;

  /** Longer texts, such as a trace with a record of many megabytes may have, are cut. */
  private static final int MOST_TEXT = 1 << 16;

  private static final int COLUMNS = Column.values().length;

  /** The columns by the names that the page has for them. */
  private enum Column {
    TIME,
    CPU,
    KIND,
    NAME,
    SYMBOL,
    RIP,
    SOURCE,
    INSTRUCTION,
    WHAT,
    SPENT,
    TOOK,
    VC,
    CPL,
    BITS
  }

  private final StringBuilder[] columns = new StringBuilder[COLUMNS];
  private final StringBuilder details = new StringBuilder();
  private final StringBuilder pages = new StringBuilder();
  private final Map<String, Integer> texts = new HashMap<>();
  private final StringBuilder table = new StringBuilder();
  private int rows;

  Chunk() {
    for (int i = 0; i < COLUMNS; i++) {
      columns[i] = new StringBuilder();
    }
  }

  boolean isEmpty() {
    return rows == 0;
  }

  boolean isFull() {
    return rows == ROWS;
  }

  private void put(Column c, long v) {
    StringBuilder b = columns[c.ordinal()];
    b.append(rows == 0 ? "" : ",").append(v);
  }

  private void put(Column c, String text) {
    String s = cut(text);
    Integer known = texts.get(s);
    if (known == null) {
      known = texts.size();
      texts.put(s, known);
      table.append(known == 0 ? "" : ",").append(Json.quote(s));
    }
    put(c, known);
  }

  private static String cut(String s) {
    if (s.length() <= MOST_TEXT) {
      return s;
    }
    boolean half = Character.isHighSurrogate(s.charAt(MOST_TEXT - 1));
    return s.substring(0, half ? MOST_TEXT - 1 : MOST_TEXT) + "…";
  }

  /**
   * Adds a row.
   *
   * @param what it is about, in words
   * @param vc the #VC that it is of, 0 for none
   * @param spent instructions of a handler that returns, -1 for other rows
   * @param took its nanoseconds, -1 for other rows
   */
  void add(Event e, String what, long vc, long spent, long took) {
    At at = e.at();
    put(Column.TIME, at.time());
    put(Column.CPU, at.vcpu());
    put(Column.KIND, EventCodec.kind(e));
    put(Column.NAME, EventCodec.name(e));
    put(Column.SYMBOL, Visible.of(at.symbol()));
    put(Column.RIP, Event.hex(at.rip()));
    put(Column.SOURCE, Visible.of(at.source()));
    put(Column.INSTRUCTION, Visible.of(at.instruction()));
    put(Column.WHAT, Visible.of(what));
    put(Column.SPENT, spent);
    put(Column.TOOK, took);
    put(Column.VC, vc);
    put(Column.CPL, at.cpl());
    put(Column.BITS, at.bits());
    for (PageSpan s : PageSpan.of(e)) {
      pages.append(pages.isEmpty() ? "" : ",").append(rows).append(',').append(s.first());
      pages.append(',').append(s.pages()).append(',').append(at.instructions());
    }
    details.append(rows == 0 ? "" : ",").append(Json.quote(cut(details(e))));
    rows++;
  }

  private static String details(Event e) {
    TextBuffer d = new TextBuffer();
    EventCodec.details(
        e,
        (k, v) -> {
          if (k != Key.VC) {
            d.add(d.length() == 0 ? "" : "\n").add(k.text).add('=');
            EventCodec.show(d, k, v);
          }
        });
    return d.toString();
  }

  /** {@return the rows as JSON in which there is no markup} */
  String pack() {
    StringBuilder index = new StringBuilder("{");
    for (Column c : Column.values()) {
      index.append('"').append(c.name().toLowerCase(java.util.Locale.ROOT)).append("\":[");
      index.append(columns[c.ordinal()]).append("],");
    }
    index.append("\"text\":[").append(table).append("]}");
    return "[\""
        + packed(index.toString())
        + "\",\""
        + packed("[" + details + "]")
        + "\",\""
        + (pages.isEmpty() ? "" : packed("[" + pages + "]"))
        + "\"]";
  }

  private static String packed(String s) {
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    try (OutputStream out = new GZIPOutputStream(b)) {
      out.write(s.getBytes(StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new AssertionError("memory takes all", e);
    }
    return Base64.getEncoder().encodeToString(b.toByteArray());
  }
}
