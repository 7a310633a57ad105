package dev.vesper.machine.observe;

import java.util.List;
import java.util.stream.Collectors;

/**
 * Bytes of a GHCB page.
 *
 * @param from offset of the first
 * @param to offset of the last
 */
public record ByteRange(int from, int to) {
  /** {@return the offsets in hex, {@code from-to}} */
  @Override
  public String toString() {
    return Integer.toHexString(from) + "-" + Integer.toHexString(to);
  }

  /** {@return ranges in one text, with spaces between them} */
  public static String text(List<ByteRange> ranges) {
    return ranges.stream().map(ByteRange::toString).collect(Collectors.joining(" "));
  }
}
