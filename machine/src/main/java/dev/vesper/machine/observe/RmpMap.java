package dev.vesper.machine.observe;

import dev.vesper.machine.observe.Event.Pvalidate;
import dev.vesper.machine.observe.Event.RmpChanged;
import dev.vesper.machine.observe.Event.Rmpadjust;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.function.UnaryOperator;

/**
 * Memory by the states that the reverse map table has for it: as somebody has looked it up, or as
 * events say that it became. Of pages that nobody has spoken of, nothing is known.
 */
public final class RmpMap implements EventSink {
  /** A trace may say anything of any number of pages; a guest of 4 TiB cannot have more. */
  private static final int MOST = 1 << 20;

  private static final long MOST_LOOKED = 5_000_000;
  private static final long PAGE = 4096;

  /**
   * Pages of one state that follow each other.
   *
   * @param vmsa the pages are save areas
   */
  public record Area(PageSpan span, RmpState.Kind kind, boolean vmsa) {
    /** {@return the state in words} */
    public String words() {
      return switch (kind) {
        case HYPERVISOR, HV_FIXED -> "shared";
        case GUEST_VALID -> vmsa ? "VMSA" : "private, valid";
        case GUEST_INVALID -> vmsa ? "VMSA, not validated" : "private, not validated";
        case RECLAIM, FIRMWARE, CONTEXT, METADATA, PRE_GUEST, PRE_SWAP -> "firmware (" + kind + ")";
      };
    }

    private boolean isLike(Area other) {
      return words().equals(other.words());
    }
  }

  private record Cell(long end, RmpState.Kind kind, boolean vmsa) {}

  /** By the number of the first page; they do not overlap. */
  private final TreeMap<Long, Cell> cells = new TreeMap<>();

  /** Areas that changes have looked at, which a forged trace could have many of again and again. */
  private long looked;

  private boolean full;

  // ---- what is known

  /** Says what the state of pages is. */
  public void put(PageSpan span, RmpState.Kind kind, boolean vmsa) {
    if (!makeRoom(span)) {
      return;
    }
    cells.subMap(span.first(), span.end()).clear();
    // Neighbours that are alike are one, so that a row of changes is no row of cells.
    long first = span.first();
    long end = span.end();
    Map.Entry<Long, Cell> before = cells.lowerEntry(first);
    if (before != null && before.getValue().equals(new Cell(first, kind, vmsa))) {
      first = before.getKey();
    }
    Cell after = cells.get(end);
    if (after != null && after.kind == kind && after.vmsa == vmsa) {
      cells.remove(end);
      end = after.end;
    }
    cells.put(first, new Cell(end, kind, vmsa));
  }

  /** Has cells begin and end where a span does; {@return whether there is room for that} */
  private boolean makeRoom(PageSpan span) {
    if (cells.size() >= MOST || looked > MOST_LOOKED) {
      full = true;
      return false;
    }
    split(span.first());
    split(span.end());
    return true;
  }

  private void split(long at) {
    Map.Entry<Long, Cell> e = cells.lowerEntry(at);
    if (e != null && e.getValue().end > at) {
      Cell c = e.getValue();
      cells.put(e.getKey(), new Cell(at, c.kind, c.vmsa));
      cells.put(at, c);
    }
  }

  /** Changes what is known of pages; nothing comes to be known by that. */
  private void change(PageSpan span, UnaryOperator<Area> to) {
    if (!makeRoom(span)) {
      return;
    }
    NavigableMap<Long, Cell> there = cells.subMap(span.first(), true, span.end(), false);
    List<Area> all = new ArrayList<>();
    there.forEach((first, c) -> append(all, to.apply(area(first, c))));
    looked += there.size();
    there.clear();
    all.forEach(a -> cells.put(a.span.first(), new Cell(a.span.end(), a.kind, a.vmsa)));
  }

  /** Adds the area that comes next; one that is like the one before becomes part of it. */
  private static void append(List<Area> all, Area a) {
    Area last = all.isEmpty() ? null : all.getLast();
    if (last == null || last.span.end() != a.span.first() || !last.isLike(a)) {
      all.add(a);
      return;
    }
    PageSpan both = new PageSpan(last.span.first(), last.span.pages() + a.span.pages());
    all.set(all.size() - 1, new Area(both, a.kind, a.vmsa));
  }

  @Override
  public void accept(Event e) {
    switch (e) {
      case RmpChanged c -> PageSpan.of(c).forEach(s -> put(s, c.after().kind(), c.after().vmsa()));
      case Pvalidate p -> {
        if (p.eax() == 0) {
          RmpState.Kind kind =
              p.validate() ? RmpState.Kind.GUEST_VALID : RmpState.Kind.GUEST_INVALID;
          PageSpan.of(p).forEach(s -> change(s, a -> new Area(a.span, kind, a.vmsa)));
        }
      }
      case Rmpadjust a -> {
        if (a.eax() == 0) {
          PageSpan.of(a).forEach(s -> change(s, b -> new Area(b.span, b.kind, a.after().vmsa())));
        }
      }
      default -> {
        // changes no state
      }
    }
  }

  // ---- to be looked at

  private static Area area(long first, Cell c) {
    return new Area(new PageSpan(first, c.end - first), c.kind, c.vmsa);
  }

  /** {@return whether nothing is known} */
  public boolean isEmpty() {
    return cells.isEmpty();
  }

  /** {@return all that is known, in order; neighbours differ} */
  public List<Area> areas() {
    List<Area> all = new ArrayList<>();
    cells.forEach((first, c) -> append(all, area(first, c)));
    return all;
  }

  /** {@return how many pages are in each state, by its words} */
  public Map<String, Long> totals() {
    Map<String, Long> all = new TreeMap<>();
    areas().forEach(a -> all.merge(a.words(), a.span.pages(), Long::sum));
    return all;
  }

  /**
   * {@return a line for each area, and one for the sums}
   *
   * @param most how many areas are spelled out
   */
  public String text(int most) {
    StringBuilder b = new StringBuilder();
    List<Area> all = areas();
    for (Area a : all.subList(0, Math.min(most, all.size()))) {
      long first = a.span.first() * PAGE;
      b.append(
          String.format(
              "  %-30s %9s  %s\n",
              Event.hex(first) + "-" + Event.hex(first + a.span.pages() * PAGE - 1),
              size(a.span.pages()),
              a.words()));
    }
    if (all.size() > most) {
      b.append("  and ").append(all.size() - most).append(" more ranges\n");
    }
    String gap = "  together: ";
    for (Map.Entry<String, Long> e : totals().entrySet()) {
      b.append(gap).append(size(e.getValue())).append(' ').append(e.getKey());
      gap = "; ";
    }
    return b.append(full ? "; there was more than can be kept\n" : "\n").toString();
  }

  private static String size(long pages) {
    return pages % 256 == 0 ? pages / 256 + "M" : pages * 4 + "K";
  }
}
