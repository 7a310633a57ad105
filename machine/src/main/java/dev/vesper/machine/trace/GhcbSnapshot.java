package dev.vesper.machine.trace;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.machine.observe.ByteRange;
import dev.vesper.machine.observe.Bytes;
import dev.vesper.machine.observe.FieldValues;
import dev.vesper.machine.observe.GhcbContents;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntPredicate;

/** A copy of a GHCB page, and what can be said about it. */
final class GhcbSnapshot {
  /** End of the save area. */
  private static final int SAVE_AREA = 0x400;

  private static final GhcbField[] FIELDS = GhcbField.values();

  final byte[] bytes = new byte[GhcbPage.SIZE];
  final GhcbPage page = new GhcbPage(bytes);

  /**
   * {@return what the page holds}
   *
   * @param offset where the part of the shared buffer begins that matters, in the page
   * @param length of it; 0 if none matters
   */
  GhcbContents contents(long offset, long length) {
    long[] values = new long[FIELDS.length];
    int valid = 0;
    int unmarked = 0;
    for (GhcbField f : FIELDS) {
      long v = page.get(f);
      values[f.ordinal()] = v;
      if (page.isValid(f)) {
        valid |= f.mask();
      } else if (v != 0) {
        unmarked |= f.mask();
      }
    }
    return new GhcbContents(
        FieldValues.of(valid, values),
        FieldValues.of(unmarked, values),
        Bytes.of(bytes, GhcbPage.VALID_BITMAP, GhcbPage.VALID_BITMAP + 16),
        buffer(offset, length));
  }

  private static final byte[] ZEROES = new byte[GhcbPage.SIZE];

  /** Which bytes belong to nothing. */
  private static final boolean[] RESERVED = new boolean[GhcbPage.SIZE];

  /** First byte and end of each run of them: a page is compared a run at a time. */
  private static final int[][] RESERVED_RUNS;

  static {
    Arrays.fill(RESERVED, true);
    for (GhcbField f : FIELDS) {
      Arrays.fill(RESERVED, f.offset, f.offset + f.bytes, false);
    }
    Arrays.fill(RESERVED, GhcbPage.VALID_BITMAP, SAVE_AREA + 8, false);
    int end = GhcbPage.SHARED_BUFFER + GhcbPage.SHARED_BUFFER_SIZE;
    Arrays.fill(RESERVED, GhcbPage.SHARED_BUFFER, end, false);
    Arrays.fill(RESERVED, GhcbPage.PROTOCOL_VERSION, GhcbPage.SIZE, false);
    RESERVED_RUNS =
        ranges(0, i -> RESERVED[i]).stream()
            .map(r -> new int[] {r.from(), r.to() + 1})
            .toArray(int[][]::new);
  }

  /** {@return ranges of reserved bytes that are not zero} */
  List<ByteRange> reserved() {
    for (int[] run : RESERVED_RUNS) {
      if (!Arrays.equals(bytes, run[0], run[1], ZEROES, run[0], run[1])) {
        return ranges(run[0], i -> RESERVED[i] && bytes[i] != 0);
      }
    }
    return List.of();
  }

  /** {@return ranges that differ from another page} */
  List<ByteRange> changed(byte[] other) {
    int first = Arrays.mismatch(bytes, other);
    return first < 0 ? List.of() : ranges(first, i -> bytes[i] != other[i]);
  }

  /** {@return ranges in which something other than zero was written over another page} */
  List<ByteRange> written(byte[] other) {
    List<ByteRange> all = List.of();
    int i = 0;
    while (i < GhcbPage.SIZE) {
      int next = Arrays.mismatch(bytes, i, GhcbPage.SIZE, other, i, GhcbPage.SIZE);
      if (next < 0) {
        break;
      }
      i += next;
      int from = i;
      while (i < GhcbPage.SIZE && bytes[i] != other[i] && bytes[i] != 0) {
        i++;
      }
      if (i > from) {
        all = all.isEmpty() ? new ArrayList<>() : all;
        all.add(new ByteRange(from, i - 1));
      } else {
        i++;
      }
    }
    return all;
  }

  private static List<ByteRange> ranges(int first, IntPredicate in) {
    List<ByteRange> all = new ArrayList<>();
    for (int i = first; i < GhcbPage.SIZE; i++) {
      if (in.test(i)) {
        int from = i;
        while (i < GhcbPage.SIZE && in.test(i)) {
          i++;
        }
        all.add(new ByteRange(from, i - 1));
      }
    }
    return all;
  }

  private Bytes buffer(long offset, long length) {
    if (offset < 0 || length <= 0 || offset > GhcbPage.SIZE) {
      return Bytes.NONE;
    }
    int end = (int) Math.min(GhcbPage.SIZE, offset + Math.min(length, GhcbPage.SIZE));
    return Bytes.of(bytes, (int) offset, end);
  }
}
