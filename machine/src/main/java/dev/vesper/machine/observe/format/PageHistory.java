package dev.vesper.machine.observe.format;

import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event;
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
import dev.vesper.machine.observe.EventSink;
import dev.vesper.machine.observe.PageSpan;
import dev.vesper.machine.observe.RmpCause;
import dev.vesper.machine.observe.RmpMap;
import java.util.ArrayList;
import java.util.List;

/**
 * What has happened to some pages: who has changed which state when, and from where. One line an
 * event, in order.
 */
public final class PageHistory implements EventSink {
  /** A guest may touch a page as often as it likes. */
  private static final int MOST = 10_000;

  /** States of more pages are said range by range. */
  private static final int MOST_AREAS = 100;

  private final List<PageSpan> pages;
  private final RmpMap map = new RmpMap();
  private final List<String> lines = new ArrayList<>();
  private long more;

  /**
   * @param pages that are wanted
   */
  public PageHistory(List<PageSpan> pages) {
    this.pages = List.copyOf(pages);
  }

  @Override
  public void accept(Event e) {
    List<PageSpan> about = PageSpan.of(e);
    if (about.stream().noneMatch(a -> pages.stream().anyMatch(a::meets))) {
      return;
    }
    map.accept(e);
    if (lines.size() < MOST) {
      lines.add(line(e));
    } else {
      more++;
    }
  }

  private static String line(Event e) {
    At at = e.at();
    TextBuffer b = new TextBuffer();
    b.add('[').decimal(at.time() / 1000).add("us] cpu").decimal(at.vcpu());
    b.add(" after ").decimal(at.instructions()).add(" instructions: ");
    b.add(EventCodec.kind(e)).add(' ').add(EventCodec.name(e)).add(' ').add(Visible.of(words(e)));
    if (!(e instanceof RmpChanged c) || c.cause() != RmpCause.LAUNCH) {
      b.add(", rip=").add(Visible.of(at.place()));
      b.add(" {").add(Visible.of(at.instruction())).add('}');
    }
    return b.toString();
  }

  private static String words(Event e) {
    return switch (e) {
      case RmpChanged c -> SnpWords.changed(c);
      case Pvalidate p -> SnpWords.pvalidate(p);
      case Rmpadjust a -> SnpWords.rmpadjust(a);
      case RmpViolation v -> SnpWords.violation(v);
      case ApCreationAsked a -> SnpWords.creation(a);
      case GuestRequestAnswered g -> SnpWords.request(g);
      case GhcbRegistered g -> Event.hex(g.gpa());
      case PageStateChanged p -> Event.hex(p.gpa()) + ": " + p.from() + " → " + p.to();
      case HostAccess h -> Event.hex(h.gpa()) + " by " + (h.device() ? "a device" : "the host");
      case DmaNoise d -> Event.hex(d.gpa());
      default -> "";
    };
  }

  /** {@return the history, each line with its end} */
  public String text() {
    StringBuilder b = new StringBuilder();
    for (PageSpan p : pages) {
      b.append(p.pages() == 1 ? "page " : "pages ").append(Event.hex(p.first() << 12));
      b.append(p.pages() == 1 ? "" : "-" + Event.hex((p.end() << 12) - 1)).append('\n');
    }
    if (lines.isEmpty()) {
      return b.append("  nothing has happened there\n").toString();
    }
    lines.forEach(l -> b.append("  ").append(l).append('\n'));
    if (more != 0) {
      b.append("  and ").append(more).append(" events more\n");
    }
    return map.isEmpty() ? b.toString() : b.append(last()).toString();
  }

  /** {@return the states at the end, of the pages that are wanted} */
  private String last() {
    RmpMap wanted = new RmpMap();
    for (RmpMap.Area a : map.areas()) {
      for (PageSpan p : pages) {
        if (a.span().meets(p)) {
          long first = Math.max(a.span().first(), p.first());
          long end = Math.min(a.span().end(), p.end());
          wanted.put(new PageSpan(first, end - first), a.kind(), a.vmsa());
        }
      }
    }
    return "at the end\n" + wanted.text(MOST_AREAS);
  }
}
