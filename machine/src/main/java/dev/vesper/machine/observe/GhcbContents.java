package dev.vesper.machine.observe;

import dev.vesper.ghcb.GhcbField;
import java.util.Map;

/**
 * What a GHCB holds at one moment.
 *
 * @param valid the fields that are marked valid
 * @param unmarked the fields that hold something without being marked
 * @param bitmap the valid bitmap, 16 bytes; empty if the page could not be read
 * @param buffer the part of the shared buffer that the event uses; empty if it uses none
 */
public record GhcbContents(
    Map<GhcbField, Long> valid, Map<GhcbField, Long> unmarked, Bytes bitmap, Bytes buffer) {
  /** Nothing at all. */
  public static final GhcbContents NONE =
      new GhcbContents(Map.of(), Map.of(), Bytes.NONE, Bytes.NONE);

  /** {@return a field as the page holds it, marked or not} */
  public long get(GhcbField f) {
    Long v = valid.get(f);
    return v != null ? v : unmarked.getOrDefault(f, 0L);
  }

  /** {@return whether a field is marked valid} */
  public boolean has(GhcbField f) {
    return valid.containsKey(f);
  }
}
