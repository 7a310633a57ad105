package dev.vesper.machine.observe;

import dev.vesper.machine.observe.Event.ApCreationAsked;
import dev.vesper.machine.observe.Event.DmaNoise;
import dev.vesper.machine.observe.Event.GhcbRegistered;
import dev.vesper.machine.observe.Event.GuestRequestAnswered;
import dev.vesper.machine.observe.Event.HostAccess;
import dev.vesper.machine.observe.Event.PageStateChanged;
import dev.vesper.machine.observe.Event.Pvalidate;
import dev.vesper.machine.observe.Event.RmpChanged;
import dev.vesper.machine.observe.Event.RmpViolation;
import dev.vesper.machine.observe.Event.Rmpadjust;
import java.util.List;

/**
 * Pages of guest physical memory that follow each other.
 *
 * @param first number of the first page
 * @param pages of 4 KiB, at least 1
 */
public record PageSpan(long first, long pages) {
  private static final int SHIFT = 12;
  private static final int PAGES_IN_LARGE = 512;

  /** Numbers of pages are below. */
  private static final long END = 1L << 64 - SHIFT;

  /** Pages that there cannot be are left out: what a trace says may be anything. */
  public PageSpan {
    first = first & END - 1;
    pages = Math.clamp(pages, 1, END - first);
  }

  /** {@return the page that has an address} */
  public static PageSpan at(long gpa) {
    return new PageSpan(gpa >>> SHIFT, 1);
  }

  /** {@return the number of the page behind the last one} */
  public long end() {
    return first + pages;
  }

  /** {@return whether both have a page} */
  public boolean meets(PageSpan other) {
    return first < other.end() && other.first < end();
  }

  /** {@return the pages whose state or owner an event is about, none for most} */
  public static List<PageSpan> of(Event e) {
    return switch (e) {
      case RmpChanged c -> List.of(new PageSpan(c.gpa() >>> SHIFT, c.pages()));
      case Pvalidate p -> operand(p.gpa(), p.large(), p.count());
      case Rmpadjust a -> operand(a.gpa(), a.large(), 1);
      case RmpViolation v -> List.of(at(v.gpa()));
      case PageStateChanged p -> List.of(at(p.gpa()));
      case HostAccess h -> List.of(at(h.gpa()));
      case DmaNoise d -> List.of(at(d.gpa()));
      case GhcbRegistered g -> List.of(at(g.gpa()));
      case ApCreationAsked a -> List.of(at(a.area()));
      case GuestRequestAnswered g -> List.of(at(g.request()), at(g.response()));
      default -> List.of();
    };
  }

  private static List<PageSpan> operand(long gpa, boolean large, long count) {
    if (gpa == Event.NO_ADDRESS) {
      return List.of();
    }
    long most = Math.min(count, END);
    return List.of(new PageSpan(gpa >>> SHIFT, large ? most * PAGES_IN_LARGE : most));
  }
}
