package dev.vesper.machine.trace;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.machine.observe.ByteRange;
import dev.vesper.machine.observe.Bytes;
import dev.vesper.machine.observe.GhcbContents;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
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
    Map<GhcbField, Long> valid = new EnumMap<>(GhcbField.class);
    Map<GhcbField, Long> unmarked = new EnumMap<>(GhcbField.class);
    for (GhcbField f : FIELDS) {
      long v = page.get(f);
      if (page.isValid(f)) {
        valid.put(f, v);
      } else if (v != 0) {
        unmarked.put(f, v);
      }
    }
    return new GhcbContents(
        valid,
        unmarked,
        Bytes.of(bytes, GhcbPage.VALID_BITMAP, GhcbPage.VALID_BITMAP + 16),
        buffer(offset, length));
  }

  private static final boolean[] USED = new boolean[GhcbPage.SIZE];

  static {
    for (GhcbField f : GhcbField.values()) {
      Arrays.fill(USED, f.offset, f.offset + f.bytes, true);
    }
    Arrays.fill(USED, GhcbPage.VALID_BITMAP, SAVE_AREA + 8, true);
    Arrays.fill(
        USED, GhcbPage.SHARED_BUFFER, GhcbPage.SHARED_BUFFER + GhcbPage.SHARED_BUFFER_SIZE, true);
    Arrays.fill(USED, GhcbPage.PROTOCOL_VERSION, GhcbPage.SIZE, true);
  }

  /** {@return ranges of reserved bytes that are not zero} */
  List<ByteRange> reserved() {
    return ranges(0, GhcbPage.SIZE, i -> !USED[i] && bytes[i] != 0);
  }

  /** {@return ranges that differ from another page} */
  List<ByteRange> changed(byte[] other) {
    int first = Arrays.mismatch(bytes, other);
    return first < 0 ? List.of() : ranges(first, GhcbPage.SIZE, i -> bytes[i] != other[i]);
  }

  /** {@return ranges in which something other than zero was written over another page} */
  List<ByteRange> written(byte[] other) {
    int first = Arrays.mismatch(bytes, other);
    // Mostly nothing changes behind the save area.
    int end =
        Arrays.equals(bytes, SAVE_AREA, GhcbPage.SIZE, other, SAVE_AREA, GhcbPage.SIZE)
            ? SAVE_AREA
            : GhcbPage.SIZE;
    return first < 0 ? List.of() : ranges(first, end, i -> bytes[i] != other[i] && bytes[i] != 0);
  }

  private static List<ByteRange> ranges(int first, int end, IntPredicate in) {
    List<ByteRange> all = new ArrayList<>();
    for (int i = first; i < end; i++) {
      if (in.test(i)) {
        int from = i;
        while (i < end && in.test(i)) {
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
