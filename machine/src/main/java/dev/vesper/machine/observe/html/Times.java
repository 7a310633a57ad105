package dev.vesper.machine.observe.html;

import dev.vesper.machine.observe.format.Json;
import dev.vesper.machine.observe.format.Visible;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Where virtual time has gone, by names: sums of one kind of thing. */
final class Times {
  /** A guest may have ever new names; what has none of these is summed up together. */
  private static final int MOST_NAMES = 1 << 14;

  /** Those that take most are shown. */
  private static final int SHOWN = 8;

  private static final String OTHERS = "others";

  private static final class Sum {
    private long count;
    private long nanoseconds;
    private long instructions;
  }

  private final Map<String, Sum> sums = new HashMap<>();

  /** Adds one thing. */
  void add(String name, long nanoseconds, long instructions) {
    Sum s = sums.get(name);
    if (s == null) {
      s = sums.computeIfAbsent(sums.size() < MOST_NAMES ? name : OTHERS, k -> new Sum());
    }
    s.count++;
    s.nanoseconds += nanoseconds;
    s.instructions += instructions;
  }

  /** Writes those that have taken most, and the rest as one. */
  void write(Json j) {
    List<Map.Entry<String, Sum>> all =
        sums.entrySet().stream()
            .sorted(
                Comparator.<Map.Entry<String, Sum>>comparingLong(e -> -e.getValue().nanoseconds)
                    .thenComparing(e -> -e.getValue().count)
                    .thenComparing(Map.Entry::getKey))
            .toList();
    j.array();
    Sum rest = new Sum();
    int left = 0;
    for (int i = 0; i < all.size(); i++) {
      Sum s = all.get(i).getValue();
      if (i < SHOWN || all.size() == SHOWN + 1) {
        write(j, all.get(i).getKey(), s);
      } else {
        left++;
        rest.count += s.count;
        rest.nanoseconds += s.nanoseconds;
        rest.instructions += s.instructions;
      }
    }
    if (left > 0) {
      write(j, left + " more", rest);
    }
    j.end();
  }

  private static void write(Json j, String name, Sum s) {
    j.object().key("name").value(Visible.of(name)).key("count").value(s.count);
    j.key("ns").value(s.nanoseconds).key("instructions").value(s.instructions).end();
  }
}
