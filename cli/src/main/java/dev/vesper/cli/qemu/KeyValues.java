package dev.vesper.cli.qemu;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The value of an option as QEMU writes lists: {@code first,key=value,flag}, where two commas are
 * one of a value and a key without a value is on. What is taken is gone, so that in the end there
 * is left what nobody knows.
 */
final class KeyValues {
  /** A key and its value. */
  private record Pair(String key, String value) {}

  private final List<Pair> all = new ArrayList<>();

  /**
   * Reads a list.
   *
   * @param first key of a first value that has none; empty if there is no such key
   */
  KeyValues(String text, String first) {
    StringBuilder part = new StringBuilder();
    List<String> parts = new ArrayList<>();
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c != ',') {
        part.append(c);
      } else if (i + 1 < text.length() && text.charAt(i + 1) == ',') {
        part.append(text.charAt(i++));
      } else {
        parts.add(part.toString());
        part.setLength(0);
      }
    }
    parts.add(part.toString());
    for (int i = 0; i < parts.size(); i++) {
      String p = parts.get(i);
      int eq = p.indexOf('=');
      if (eq >= 0) {
        all.add(new Pair(p.substring(0, eq), p.substring(eq + 1)));
      } else if (i == 0 && !first.isEmpty()) {
        all.add(new Pair(first, p));
      } else if (!p.isEmpty()) {
        all.add(new Pair(p, "on"));
      }
    }
  }

  /** {@return the last value of a key, null if it is not there} */
  @Nullable String take(String key) {
    List<String> values = takeAll(key);
    return values.isEmpty() ? null : values.get(values.size() - 1);
  }

  /** {@return the last value of a key} */
  String take(String key, String otherwise) {
    String v = take(key);
    return v == null ? otherwise : v;
  }

  /** {@return whether a key is on, in any of the ways to say it} */
  boolean takeFlag(String key) {
    return isOn(take(key, "off"));
  }

  /** {@return whether a value is one of those that turn a key on} */
  static boolean isOn(String value) {
    return List.of("on", "yes", "true", "y").contains(value);
  }

  /** {@return all values of a key} */
  List<String> takeAll(String key) {
    List<String> values = new ArrayList<>();
    for (Pair p : all) {
      if (p.key.equals(key)) {
        values.add(p.value);
      }
    }
    all.removeIf(p -> p.key.equals(key));
    return values;
  }

  /** Removes keys that change nothing and are worth no word. */
  void ignore(List<String> keys) {
    all.removeIf(p -> keys.contains(p.key));
  }

  /** {@return those of the keys that are there, or that begin so if a key ends in a dot} */
  List<String> takeAny(List<String> keys) {
    List<String> found = new ArrayList<>();
    all.removeIf(
        p -> {
          boolean known =
              keys.stream().anyMatch(k -> k.endsWith(".") ? p.key.startsWith(k) : p.key.equals(k));
          return known && found.add(p.key + "=" + p.value);
        });
    return found;
  }

  /** {@return all that is left} */
  List<String> rest() {
    return all.stream().map(p -> p.key + "=" + p.value).toList();
  }
}
