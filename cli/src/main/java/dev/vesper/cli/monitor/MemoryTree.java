package dev.vesper.cli.monitor;

import dev.vesper.machine.observe.DeviceState.Kind;
import dev.vesper.machine.observe.DeviceState.Range;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** {@code info mtree}: who is where, all of them or who answers. */
final class MemoryTree {
  private static final String ROW = "%016x-%016x (prio %d, %s): %s";

  private MemoryTree() {}

  static void show(Call c) throws Refusal {
    boolean flat = c.words().flag('f');
    c.words().end();
    List<Range> memory = c.machine().board().memory();
    List<Range> ports = c.machine().board().ports();
    if (flat) {
      flat(c, 0, "memory", "system", memory);
      flat(c, 1, "I/O", "io", ports);
    } else {
      tree(c, "memory", "system", -1, memory);
      tree(c, "I/O", "io", 0xFFFF, ports);
    }
  }

  private static String kind(Kind k) {
    return k == Kind.IO ? "i/o" : k.name().toLowerCase(Locale.ROOT);
  }

  private static void tree(Call c, String space, String root, long last, List<Range> all) {
    c.line("address-space: " + space);
    c.line("  " + ROW, 0L, last, 0, "i/o", root);
    all.stream()
        .sorted(Comparator.comparingLong(Range::first))
        .forEach(
            r ->
                c.line(
                    "    " + ROW,
                    r.first(),
                    r.last(),
                    r.kind() == Kind.RAM ? 0 : 1,
                    kind(r.kind()),
                    r.name()));
    c.line("");
  }

  private static void flat(Call c, int number, String space, String root, List<Range> all) {
    c.line("FlatView #" + number);
    c.line(" AS \"" + space + "\", root: " + root);
    c.line(" Root memory region: " + root);
    TreeSet<Long> borders = new TreeSet<>(Long::compareUnsigned);
    for (Range r : all) {
      borders.add(r.first());
      borders.add(r.last() + 1);
    }
    Range before = null;
    long start = 0;
    for (long at : borders) {
      Range now = first(all, at);
      if (now != before) {
        row(c, before, start, at - 1);
        before = now;
        start = at;
      }
    }
    c.line("");
  }

  private static @Nullable Range first(List<Range> all, long at) {
    for (Range r : all) {
      if (at >= r.first() && at <= r.last()) {
        return r;
      }
    }
    return null;
  }

  private static void row(Call c, @Nullable Range r, long first, long last) {
    if (r != null) {
      String within = first == r.first() ? "" : " @%016x".formatted(first - r.first());
      c.line("  " + ROW + within, first, last, 0, kind(r.kind()), r.name());
    }
  }
}
