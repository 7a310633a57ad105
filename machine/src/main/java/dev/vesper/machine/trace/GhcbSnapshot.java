package dev.vesper.machine.trace;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.machine.observe.ByteRange;
import dev.vesper.machine.observe.Bytes;
import dev.vesper.machine.observe.GhcbContents;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
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

  /** Which bits of each quadword belong to nothing. */
  private static final long[] RESERVED = new long[GhcbPage.SIZE / 8];

  private static final VarHandle LONGS =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  static {
    byte[] mask = new byte[GhcbPage.SIZE];
    Arrays.fill(mask, (byte) -1);
    for (GhcbField f : FIELDS) {
      Arrays.fill(mask, f.offset, f.offset + f.bytes, (byte) 0);
    }
    Arrays.fill(mask, GhcbPage.VALID_BITMAP, SAVE_AREA + 8, (byte) 0);
    int end = GhcbPage.SHARED_BUFFER + GhcbPage.SHARED_BUFFER_SIZE;
    Arrays.fill(mask, GhcbPage.SHARED_BUFFER, end, (byte) 0);
    Arrays.fill(mask, GhcbPage.PROTOCOL_VERSION, GhcbPage.SIZE, (byte) 0);
    for (int i = 0; i < RESERVED.length; i++) {
      RESERVED[i] = (long) LONGS.get(mask, 8 * i);
    }
  }

  /** {@return ranges of reserved bytes that are not zero} */
  List<ByteRange> reserved() {
    for (int i = 0; i < RESERVED.length; i++) {
      if (((long) LONGS.get(bytes, 8 * i) & RESERVED[i]) != 0) {
        return ranges(8 * i, at -> (RESERVED[at / 8] >>> 8 * (at % 8) & 0xFF & bytes[at]) != 0);
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
