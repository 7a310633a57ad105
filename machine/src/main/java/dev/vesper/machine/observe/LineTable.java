package dev.vesper.machine.observe;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Which line of source each address of an image comes from. */
public final class LineTable {
  /** No lines. */
  public static final LineTable NONE = new LineTable(List.of());

  /**
   * A run of addresses from one line.
   *
   * @param address where it begins; it reaches to the next row
   * @param file name as the compiler was given it, or empty for addresses behind a sequence
   * @param line counted from 1
   */
  public record Row(long address, String file, int line) {}

  private final transient long[] addresses;
  private final transient Row[] rows;

  public LineTable(List<Row> table) {
    rows = table.toArray(new Row[0]);
    // Rows that end a sequence go before rows that begin one at the same address.
    Arrays.sort(
        rows,
        (a, b) ->
            a.address != b.address
                ? Long.compareUnsigned(a.address, b.address)
                : Boolean.compare(!a.file.isEmpty(), !b.file.isEmpty()));
    addresses = new long[rows.length];
    for (int i = 0; i < rows.length; i++) {
      addresses[i] = rows[i].address ^ Long.MIN_VALUE;
    }
  }

  /** {@return {@code file:line} of an address, or the empty string} */
  public String at(long address) {
    Row r = row(address);
    return r == null || r.file.isEmpty() ? "" : r.file + ":" + r.line;
  }

  private @org.jspecify.annotations.Nullable Row row(long address) {
    int i = Arrays.binarySearch(addresses, address ^ Long.MIN_VALUE);
    if (i < 0) {
      i = -i - 2;
    } else {
      while (i + 1 < addresses.length && addresses[i + 1] == addresses[i]) {
        i++;
      }
    }
    return i < 0 ? null : rows[i];
  }

  /** {@return the rows from an address on, below another one, beginning with the one it is in} */
  public List<Row> rows(long from, long to) {
    List<Row> out = new ArrayList<>();
    Row first = row(from);
    if (first != null && !first.file.isEmpty()) {
      out.add(first);
    }
    int i = Arrays.binarySearch(addresses, from ^ Long.MIN_VALUE);
    for (i = i < 0 ? -i - 1 : i; i < rows.length; i++) {
      if (Long.compareUnsigned(rows[i].address, to) >= 0) {
        break;
      }
      if (!rows[i].file.isEmpty() && rows[i] != first) {
        out.add(rows[i]);
      }
    }
    return out;
  }

  /** {@return every row that names a line} */
  public List<Row> all() {
    return Arrays.stream(rows).filter(r -> !r.file.isEmpty()).toList();
  }
}
