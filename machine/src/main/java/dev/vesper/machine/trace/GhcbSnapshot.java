package dev.vesper.machine.trace;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.function.IntPredicate;

/** A copy of a GHCB page, and what can be said about it. */
final class GhcbSnapshot {
  /** End of the save area. */
  private static final int SAVE_AREA = 0x400;

  final byte[] bytes = new byte[GhcbPage.SIZE];
  final GhcbPage page = new GhcbPage(bytes);

  /** {@return the fields that are marked valid, or the ones that are not and hold something} */
  String fields(boolean valid) {
    StringBuilder b = new StringBuilder();
    for (GhcbField f : GhcbField.values()) {
      if (page.isValid(f) == valid && (valid || page.get(f) != 0)) {
        b.append(b.isEmpty() ? "" : " ").append(f);
        b.append("=0x").append(Long.toHexString(page.get(f)));
      }
    }
    return b.toString();
  }

  /** {@return the valid bitmap as 32 hex digits, byte 0 first} */
  String bitmap() {
    return HexFormat.of().formatHex(bytes, GhcbPage.VALID_BITMAP, GhcbPage.VALID_BITMAP + 16);
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

  /** {@return ranges of reserved bytes that are not zero, as {@code from-to} in hex} */
  String reserved() {
    return ranges(0, GhcbPage.SIZE, i -> !USED[i] && bytes[i] != 0);
  }

  /** {@return ranges that differ from another page, as {@code from-to} in hex} */
  String changed(byte[] other) {
    int first = Arrays.mismatch(bytes, other);
    return first < 0 ? "" : ranges(first, GhcbPage.SIZE, i -> bytes[i] != other[i]);
  }

  /** {@return ranges in which something other than zero was written over another page} */
  String written(byte[] other) {
    int first = Arrays.mismatch(bytes, other);
    // Mostly nothing changes behind the save area.
    int end =
        Arrays.equals(bytes, SAVE_AREA, GhcbPage.SIZE, other, SAVE_AREA, GhcbPage.SIZE)
            ? SAVE_AREA
            : GhcbPage.SIZE;
    return first < 0 ? "" : ranges(first, end, i -> bytes[i] != other[i] && bytes[i] != 0);
  }

  private static String ranges(int first, int end, IntPredicate in) {
    StringBuilder b = new StringBuilder();
    for (int i = first; i < end; i++) {
      if (in.test(i)) {
        int from = i;
        while (i < end && in.test(i)) {
          i++;
        }
        b.append(b.isEmpty() ? "" : " ").append(Integer.toHexString(from));
        b.append('-').append(Integer.toHexString(i - 1));
      }
    }
    return b.toString();
  }

  /** {@return bytes of the shared buffer in hex, from an offset of the page on} */
  String buffer(long offset, long length) {
    if (offset < 0 || length <= 0 || offset > GhcbPage.SIZE) {
      return "";
    }
    int end = (int) Math.min(GhcbPage.SIZE, offset + Math.min(length, GhcbPage.SIZE));
    return HexFormat.of().formatHex(bytes, (int) offset, end);
  }
}
