package dev.vesper.cli;

import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.EventSink;
import dev.vesper.machine.observe.PageSpan;
import dev.vesper.machine.observe.RmpMap;
import dev.vesper.machine.observe.format.PageHistory;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The options that ask about pages of memory, which {@code run} and {@code check} share. */
final class PageOptions implements EventSink {
  /** Guest physical addresses have at most 52 bits (AMD APM volume 2, 5.3). */
  private static final long END = 1L << 52;

  /** Areas of a map; a guest that shares every other page has a hundred thousand. */
  private static final int MOST_AREAS = 2_000;

  private static final String PAGE = "--page";
  private static final String MAP = "--memory-map";

  private List<String> pages = List.of();
  private boolean map;
  private @Nullable PageHistory history;
  private final RmpMap known = new RmpMap();

  /** Adds these options to a command's. */
  void addTo(Options o) {
    o.texts(
        "GPA",
        "at the end, print what happened to a page: who made it private, shared, valid or a save"
            + " area, when and from where; FIRST-LAST are all pages of a range; may be repeated",
        v -> pages = v,
        PAGE);
    o.flag(
        "at the end, print which memory is private, valid, shared, a save area or the firmware's"
            + " (--sev snp)",
        () -> map = true,
        MAP);
  }

  /**
   * Looks whether the options mean anything.
   *
   * @throws UserError if they do not
   */
  void validate() {
    if (pages.isEmpty()) {
      return;
    }
    List<PageSpan> spans = new ArrayList<>();
    for (String p : pages) {
      spans.add(span(p));
    }
    history = new PageHistory(spans);
  }

  private static PageSpan span(String text) {
    int hyphen = text.indexOf('-', 1);
    long first = address(text, hyphen < 0 ? text : text.substring(0, hyphen));
    long last = hyphen < 0 ? first : address(text, text.substring(hyphen + 1));
    if (last < first) {
      throw new UserError(PAGE + " " + text + ": the last address is below the first");
    }
    return new PageSpan(first >>> 12, (last >>> 12) - (first >>> 12) + 1);
  }

  private static long address(String text, String number) {
    try {
      long a = Long.decode(number.trim());
      if (a >= 0 && a < END) {
        return a;
      }
    } catch (NumberFormatException e) {
      // said below
    }
    throw new UserError(
        PAGE + " takes guest physical addresses, as 0x809000 or 0x800000-0x80ffff, not " + text);
  }

  /** {@return whether a history is wanted, for which a run must be looked at} */
  boolean wantsEvents() {
    return history != null;
  }

  /** {@return whether a map is wanted} */
  boolean wantsMap() {
    return map;
  }

  @Override
  public void accept(Event e) {
    PageHistory h = history;
    if (h != null) {
      h.accept(e);
    }
    if (map) {
      known.accept(e);
    }
  }

  /** {@return the histories that are wanted, each line with its end} */
  String history() {
    PageHistory h = history;
    return h == null ? "" : h.text();
  }

  /** {@return the map that the events have made, if it is wanted} */
  String mapOfEvents() {
    return map ? map(known) : "";
  }

  /** {@return a map, each line with its end} */
  static String map(RmpMap m) {
    return m.isEmpty()
        ? "memory by state: none is known, as of a guest without SEV-SNP\n"
        : "memory by state at the end\n" + m.text(MOST_AREAS);
  }
}
