package dev.vesper.machine.observe.format;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.observe.Accesses;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.GhcbUse;
import dev.vesper.machine.observe.PageSpan;
import dev.vesper.machine.observe.PageState;
import dev.vesper.machine.observe.RmpAccess;
import dev.vesper.machine.observe.RmpCause;
import dev.vesper.machine.observe.RmpCheck;
import dev.vesper.machine.observe.RmpState;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What happened to a page, line by line. */
final class PageHistoryTest {
  private static final long PAGE = 0x80_9000;
  private static final RmpState VALID =
      new RmpState(RmpState.Kind.GUEST_VALID, false, false, 1, PAGE, 0x1F);
  private static final RmpState INVALID =
      new RmpState(RmpState.Kind.GUEST_INVALID, false, false, 1, PAGE, 0x1F);

  private int time;

  private At at(String symbol) {
    time += 1000;
    return new At(time, time * 10L, 2, 64, 0, 0x1000, symbol, "", "pvalidate", Accesses.NONE);
  }

  private Event changed(
      RmpCause cause, String what, long gpa, int pages, RmpState from, RmpState to) {
    return new Event.RmpChanged(at("f+0x1"), cause, what, gpa, pages, from, to, -1, -1, "");
  }

  private Event pvalidate(boolean validate, int eax, RmpState before, RmpCheck why, int count) {
    return new Event.Pvalidate(
        at("pvalidate_pages+0x2"), PAGE, PAGE, false, validate, eax, false, before, why, count);
  }

  private static List<String> history(PageSpan page, Event... events) {
    PageHistory h = new PageHistory(List.of(page));
    for (Event e : events) {
      h.accept(e);
    }
    return h.text().lines().toList();
  }

  @Test
  void whoHasChangedWhatWhenAndFromWhere() {
    assertThat(
            history(
                PageSpan.at(PAGE),
                changed(
                    RmpCause.LAUNCH, "NORMAL, kernel", 0x80_0000, 16, RmpState.HYPERVISOR, VALID),
                changed(RmpCause.HOST, "RMPUPDATE", PAGE + 4096, 16, RmpState.HYPERVISOR, VALID),
                pvalidate(false, 0, VALID, RmpCheck.NONE, 1),
                changed(RmpCause.MSR_PROTOCOL, "shared", PAGE, 1, INVALID, RmpState.HYPERVISOR),
                new Event.RmpViolation(
                    at("g"),
                    RmpAccess.WRITE,
                    PAGE,
                    PAGE,
                    true,
                    0x8000_0007L,
                    RmpState.HYPERVISOR,
                    RmpCheck.ASSIGNED),
                new Event.HostAccess(at("h"), true, PAGE, true, false)))
        .containsExactly(
            "page 0x809000",
            "  [1us] cpu2 after 10000 instructions: rmp launch 16 × 4K 0x800000–0x80ffff NORMAL,"
                + " kernel: Hypervisor → Guest-Valid",
            "  [3us] cpu2 after 30000 instructions: pvalidate rescind 4K 0x809000: Guest-Valid →"
                + " Guest-Invalid, rip=0x1000 <pvalidate_pages+0x2> {pvalidate}",
            "  [4us] cpu2 after 40000 instructions: rmp MSR protocol 4K 0x809000 shared:"
                + " Guest-Invalid → Hypervisor, rip=0x1000 <f+0x1> {pvalidate}",
            "  [5us] cpu2 after 50000 instructions: rmp_violation write 0x809000, C=1, Hypervisor:"
                + " the page is not assigned: it is the hypervisor's (#NPF), rip=0x1000 <g>"
                + " {pvalidate}",
            "  [6us] cpu2 after 60000 instructions: host_private write 0x809000 by a device,"
                + " rip=0x1000 <h> {pvalidate}",
            "at the end",
            "  0x809000-0x809fff                     4K  shared",
            "  together: 4K shared");
  }

  @Test
  void aRefusalSaysWhichCheckHasFailed() {
    assertThat(history(PageSpan.at(PAGE), pvalidate(true, 6, VALID, RmpCheck.SMALL_ENTRY, 1)))
        .anyMatch(
            l ->
                l.contains(
                    "Guest-Valid; refused with EAX 6: 2M are asked for, and the entry is for 4K"));
  }

  @Test
  void aRangeHasTheEventsOfAllItsPages() {
    List<String> h =
        history(
            new PageSpan(0x80A, 2),
            changed(RmpCause.HOST, "RMPUPDATE", PAGE, 1, RmpState.HYPERVISOR, INVALID),
            changed(RmpCause.HOST, "RMPUPDATE", PAGE + 8192, 9, RmpState.HYPERVISOR, INVALID),
            pvalidate(true, 0, INVALID, RmpCheck.NONE, 3));
    assertThat(h).hasSize(6).startsWith("pages 0x80a000-0x80bfff");
    assertThat(h).contains("  0x80b000-0x80bfff                     4K  private, valid");
  }

  /** Guests without SEV-SNP have pages that go from one C-bit to the other. */
  @Test
  void conversionsOfOtherGuestsAreTold() {
    assertThat(
            history(
                PageSpan.at(PAGE),
                new Event.PageStateChanged(
                    at("f"), PAGE, PageState.PRIVATE, PageState.SHARED, GhcbUse.NONE)))
        .hasSize(2)
        .anyMatch(l -> l.contains("page_state shared 0x809000: private → shared"));
  }

  @Test
  void nothingIsSaidToo() {
    assertThat(history(PageSpan.at(0))).containsExactly("page 0x0", "  nothing has happened there");
  }

  @Test
  void aGuestMayTouchAPageAsOftenAsItLikes() {
    PageHistory h = new PageHistory(List.of(PageSpan.at(PAGE)));
    for (int i = 0; i < 10_005; i++) {
      h.accept(new Event.HostAccess(at("h"), true, PAGE, true, false));
    }
    assertThat(h.text().lines()).hasSize(10_002).endsWith("  and 5 events more");
  }
}
