package dev.vesper.machine.observe;

import dev.vesper.ghcb.GhcbField;

/**
 * What a GHCB holds at one moment.
 *
 * @param valid the fields that are marked valid
 * @param unmarked the fields that hold something without being marked
 * @param bitmap the valid bitmap, 16 bytes; empty if the page could not be read
 * @param buffer the part of the shared buffer that the event uses; empty if it uses none
 */
public record GhcbContents(FieldValues valid, FieldValues unmarked, Bytes bitmap, Bytes buffer) {
  /** Nothing at all. */
  public static final GhcbContents NONE =
      new GhcbContents(FieldValues.NONE, FieldValues.NONE, Bytes.NONE, Bytes.NONE);

  /** {@return a field as the page holds it, marked or not} */
  public long get(GhcbField f) {
    return valid.has(f) ? valid.value(f) : unmarked.value(f);
  }

  /** {@return whether a field is marked valid} */
  public boolean has(GhcbField f) {
    return valid.has(f);
  }
}
