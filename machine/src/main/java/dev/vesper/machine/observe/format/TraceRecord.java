package dev.vesper.machine.observe.format;

import dev.vesper.machine.observe.ByteRange;
import dev.vesper.machine.observe.Bytes;
import dev.vesper.machine.observe.FieldValues;
import dev.vesper.machine.observe.Operand;
import dev.vesper.machine.observe.Registers;
import dev.vesper.machine.observe.RmpState;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * One line of a trace, taken apart. Members that every record has must be there; a detail that is
 * missing is as if it were empty or 0; members that are not known are left out. Whatever is there
 * must be right: IllegalArgumentException says what is not.
 */
final class TraceRecord {
  private static final Set<String> COMMON =
      Set.of(
          "schema",
          "kind",
          "time_ns",
          "instructions",
          "vcpu",
          "bits",
          "cpl",
          "level",
          "rip",
          "symbol",
          "source",
          "instruction",
          "name");

  private final Map<String, String> common = new HashMap<>();
  private final Map<Key, String> details = new EnumMap<>(Key.class);

  TraceRecord(String json) {
    JsonTree.members(
        json,
        (name, value) -> {
          if (!(value instanceof String) && !(value instanceof Long)) {
            throw new IllegalArgumentException("a member is neither text nor number");
          }
          // A string instruction's operand is called "source" too, and comes second.
          if (!COMMON.contains(name) || common.putIfAbsent(name, value.toString()) != null) {
            Key k = Key.of(name);
            if (k != null) {
              details.put(k, value.toString());
            }
          }
        });
    String schema = common.get("schema");
    if (!EventCodec.SCHEMA.equals(schema)) {
      throw new IllegalArgumentException(
          "its schema is " + (schema == null ? "missing" : Grammar.shown(schema)));
    }
  }

  /** {@return a member that every record has} */
  String common(String name) {
    String s = common.get(name);
    if (s == null) {
      throw new IllegalArgumentException("it has no " + name);
    }
    return s;
  }

  /** {@return a number that every record has} */
  long count(String name) {
    return number(name, common(name));
  }

  private static long number(String name, String s) {
    try {
      return Grammar.number(s);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException("its " + name + " is no number", e);
    }
  }

  /** {@return a number that every record has, from 0 to below an end} */
  int below(String name, int end) {
    long v = count(name);
    if (v < 0 || v >= end) {
      throw new IllegalArgumentException("its " + name + " is not below " + end);
    }
    return (int) v;
  }

  /** {@return a number from 0 to below an end, 0 in records that do not have it} */
  int belowOrZero(String name, int end) {
    return common.containsKey(name) ? below(name, end) : 0;
  }

  /** {@return a number that every record has, one of a few} */
  int oneOf(String name, int... allowed) {
    long v = count(name);
    for (int a : allowed) {
      if (v == a) {
        return a;
      }
    }
    throw new IllegalArgumentException("its " + name + " cannot be");
  }

  boolean has(Key k) {
    return details.containsKey(k);
  }

  String text(Key k) {
    return details.getOrDefault(k, "");
  }

  @Nullable String optional(Key k) {
    return details.get(k);
  }

  long number(Key k) {
    String s = details.get(k);
    return s == null ? 0 : number(k.text, s);
  }

  /** {@return a number of 32 bits, with a sign or without} */
  int integer(Key k) {
    long v = number(k);
    if (v != (int) v && v != (v & 0xFFFF_FFFFL)) {
      throw new IllegalArgumentException("its " + k + " has more than 32 bits");
    }
    return (int) v;
  }

  /** {@return a number that is at least 1, as it is if it is missing} */
  long positive(Key k) {
    long v = has(k) ? number(k) : 1;
    if (v < 1) {
      throw new IllegalArgumentException("its " + k + " is not positive");
    }
    return v;
  }

  Registers registers(Key k) {
    return has(k) ? Grammar.registers(k, text(k)) : Registers.of(new long[Registers.COUNT]);
  }

  Bytes bytes(Key k) {
    return has(k) ? Grammar.bytes(k, text(k)) : Bytes.NONE;
  }

  FieldValues fields(Key k) {
    return has(k) ? Grammar.fields(k, text(k)) : FieldValues.NONE;
  }

  List<ByteRange> ranges(Key k) {
    return has(k) ? Grammar.ranges(k, text(k)) : List.of();
  }

  @Nullable Operand operand(Key k) {
    return has(k) ? Grammar.operand(k, text(k)) : null;
  }

  RmpState rmpState(Key k) {
    return has(k) ? Grammar.rmpState(k, text(k)) : RmpState.HYPERVISOR;
  }

  <T extends Enum<T>> T word(Key k, Class<T> type, T absent) {
    return has(k) ? Grammar.word(k, text(k), type) : absent;
  }
}
