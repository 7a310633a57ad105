package dev.vesper.cli.qemu;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Vesper's line while it is made. */
final class Line {
  /** An option as it stands on the line. */
  private record Item(String option, @Nullable String value) {}

  private final List<Item> items = new ArrayList<>();
  private final Map<String, Item> once = new LinkedHashMap<>();
  private final Set<String> dropped = new LinkedHashSet<>();
  private final Set<String> refusals = new LinkedHashSet<>();
  private @Nullable String list;

  /** Sets an option that has one value: the last one counts, as in QEMU. */
  void set(String option, String value) {
    Item i = new Item(option, value);
    Item before = once.put(option, i);
    if (before == null) {
      items.add(i);
      return;
    }
    items.set(items.indexOf(before), i);
    if (!i.equals(before)) {
      drop(option + " " + before.value, "it is given again, and the last one counts");
    }
  }

  /** {@return whether an option that has one value was set} */
  boolean has(String option) {
    return once.containsKey(option);
  }

  /** Adds an option that may be repeated. */
  void add(String option, String value) {
    items.add(new Item(option, value));
  }

  /** Adds a word as it is. */
  void add(String word) {
    items.add(new Item(word, null));
  }

  /** Adds an option without a value, once. */
  void flag(String option) {
    if (items.stream().noneMatch(i -> i.option.equals(option))) {
      add(option);
    }
  }

  /** Notes what was left out. */
  void drop(String what, String why) {
    dropped.add(what + " (" + why + ")");
  }

  /** Notes keys of an option that were left out, if there are any. */
  void drop(String option, List<String> keys, String why) {
    if (!keys.isEmpty()) {
      drop(option + " " + String.join(",", keys), why);
    }
  }

  /** Refuses with a sentence that says what can be had. */
  void refuse(String sentence) {
    refusals.add(sentence);
  }

  /** Refuses keys that nobody knows. */
  void refuseRest(String option, KeyValues of) {
    of.rest().forEach(r -> refuse(option + " has no '" + r + "' here: leave it out"));
  }

  /** Answers a question for what there is. */
  void list(String text) {
    list = text;
  }

  Translation translation() {
    List<String> words = new ArrayList<>();
    for (Item i : items) {
      words.add(i.option);
      if (i.value != null) {
        words.add(i.value);
      }
    }
    return new Translation(words, List.copyOf(dropped), List.copyOf(refusals), list);
  }
}
