package dev.vesper.machine;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import java.util.Arrays;
import java.util.HexFormat;

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

  /** {@return ranges of reserved bytes that are not zero, as {@code from-to} in hex} */
  String reserved() {
    boolean[] used = new boolean[GhcbPage.SIZE];
    for (GhcbField f : GhcbField.values()) {
      Arrays.fill(used, f.offset, f.offset + f.bytes, true);
    }
    Arrays.fill(used, GhcbPage.VALID_BITMAP, SAVE_AREA + 8, true);
    Arrays.fill(used, GhcbPage.SHARED_BUFFER, GhcbPage.SHARED_BUFFER + 0x7F0, true);
    Arrays.fill(used, GhcbPage.PROTOCOL_VERSION, GhcbPage.SIZE, true);
    boolean[] bad = new boolean[GhcbPage.SIZE];
    for (int i = 0; i < bad.length; i++) {
      bad[i] = !used[i] && bytes[i] != 0;
    }
    return ranges(bad);
  }

  /** {@return ranges that differ from another page, as {@code from-to} in hex} */
  String changed(byte[] other) {
    boolean[] differs = new boolean[GhcbPage.SIZE];
    for (int i = 0; i < differs.length; i++) {
      differs[i] = bytes[i] != other[i];
    }
    return ranges(differs);
  }

  /** {@return ranges in which something other than zero was written over another page} */
  String written(byte[] other) {
    boolean[] differs = new boolean[GhcbPage.SIZE];
    for (int i = 0; i < differs.length; i++) {
      differs[i] = bytes[i] != other[i] && bytes[i] != 0;
    }
    return ranges(differs);
  }

  private static String ranges(boolean[] set) {
    StringBuilder b = new StringBuilder();
    for (int i = 0; i < set.length; i++) {
      if (set[i]) {
        int from = i;
        while (i < set.length && set[i]) {
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
