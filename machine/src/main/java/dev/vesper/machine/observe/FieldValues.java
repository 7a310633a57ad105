package dev.vesper.machine.observe;

import dev.vesper.ghcb.GhcbField;
import java.util.AbstractMap;
import java.util.EnumMap;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Some fields of a GHCB with their values; nobody changes them any more. A map in the order of the
 * fields, which keeps numbers instead of objects: every exchange has four of them.
 */
public final class FieldValues extends AbstractMap<GhcbField, Long> {
  private static final GhcbField[] FIELDS = GhcbField.values();

  /** No fields. */
  public static final FieldValues NONE = new FieldValues(0, new long[FIELDS.length]);

  private final int bits;

  /** By the fields' ordinals; others than those of {@link #bits} mean nothing. */
  private final long[] values;

  private FieldValues(int bits, long[] values) {
    this.bits = bits;
    this.values = values;
  }

  /**
   * {@return some fields with their values}
   *
   * @param bits of the fields, see {@link GhcbField#mask()}
   * @param values by the fields' ordinals, not to be changed afterwards
   */
  public static FieldValues of(int bits, long[] values) {
    return bits == 0 ? NONE : new FieldValues(bits, values);
  }

  /** {@return a copy of a map} */
  public static FieldValues of(Map<GhcbField, Long> map) {
    long[] values = new long[FIELDS.length];
    int bits = 0;
    for (Map.Entry<GhcbField, Long> e : map.entrySet()) {
      bits |= e.getKey().mask();
      values[e.getKey().ordinal()] = e.getValue();
    }
    return of(bits, values);
  }

  /** {@return the fields that there are, as bits: see {@link GhcbField#mask()}} */
  public int bits() {
    return bits;
  }

  /** {@return whether there is a field} */
  public boolean has(GhcbField f) {
    return (bits & f.mask()) != 0;
  }

  /** {@return a field's value, 0 if it is not there} */
  public long value(GhcbField f) {
    return has(f) ? values[f.ordinal()] : 0;
  }

  @Override
  public @Nullable Long get(@Nullable Object key) {
    return key instanceof GhcbField f && has(f) ? (Long) values[f.ordinal()] : null;
  }

  @Override
  public boolean containsKey(@Nullable Object key) {
    return key instanceof GhcbField f && has(f);
  }

  @Override
  public int size() {
    return Integer.bitCount(bits);
  }

  @Override
  public Set<Map.Entry<GhcbField, Long>> entrySet() {
    Map<GhcbField, Long> m = new EnumMap<>(GhcbField.class);
    for (GhcbField f : FIELDS) {
      if (has(f)) {
        m.put(f, values[f.ordinal()]);
      }
    }
    return java.util.Collections.unmodifiableMap(m).entrySet();
  }
}
