package dev.vesper.machine.observe.check;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.ghcb.PageStateEntry;
import dev.vesper.ghcb.PageStateList;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.GhcbExchange;
import dev.vesper.machine.observe.Event.MsrExchange;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** The rules for requests to change the states of pages, and for their answers. */
final class PageStateRules {
  private static final int RESERVED_AT = 57;

  private final Findings findings;
  private final PageRules pages;

  PageStateRules(Findings findings, PageRules pages) {
    this.findings = findings;
    this.pages = pages;
  }

  /** Judges a page state change by the GHCB. */
  void exchange(GhcbExchange x) {
    if (x.exit() != ExitCode.SNP_PAGE_STATE_CHANGE) {
      return;
    }
    String wrong = wrong(x);
    if (!wrong.isEmpty()) {
      findings.add(Rule.PAGE_STATE_LIST, x.at(), x.vc(), () -> wrong);
    }
    PageStateList before = list(x.request().buffer().toArray());
    PageStateList after = list(x.answer().buffer().toArray());
    if (before == null || after == null || x.ended() != null) {
      return;
    }
    for (int i = before.current(); i <= last(before); i++) {
      PageStateEntry e = before.entry(i);
      if (e.operation() == PageStateEntry.PRIVATE) {
        pages.askedForPrivate(e.gfn() << 12, x.at(), x.vc());
      }
    }
    if (x.status() == 0 && x.answer().get(GhcbField.SW_EXITINFO2) == 0 && wrong.isEmpty()) {
      answer(x, before, after);
    }
  }

  private static int last(PageStateList l) {
    return Math.min(l.end(), PageStateList.MOST - 1);
  }

  /** {@return a list that is there as far as its end says, or null} */
  private static @Nullable PageStateList list(byte[] b) {
    if (b.length < PageStateList.HEADER) {
      return null;
    }
    PageStateList l = new PageStateList(b, 0);
    int needed = PageStateList.HEADER + PageStateList.ENTRY * (last(l) + 1);
    return needed <= b.length ? l : new PageStateList(Arrays.copyOf(b, needed), 0);
  }

  // ---- the guest's list

  private static String wrong(GhcbExchange x) {
    long offset = x.request().get(GhcbField.SW_SCRATCH) - x.ghcb();
    long room = GhcbPage.SHARED_BUFFER + GhcbPage.SHARED_BUFFER_SIZE - offset;
    if (offset < GhcbPage.SHARED_BUFFER || room < PageStateList.HEADER + PageStateList.ENTRY) {
      return "the list at SW_SCRATCH "
          + Event.hex(x.request().get(GhcbField.SW_SCRATCH))
          + " lies outside the shared buffer of the GHCB at "
          + Event.hex(x.ghcb());
    }
    PageStateList l = list(x.request().buffer().toArray());
    if (l == null) {
      return "";
    }
    long most = (room - PageStateList.HEADER) / PageStateList.ENTRY;
    if (l.end() >= most) {
      return "the list ends with entry " + l.end() + "; the buffer has room for " + most;
    }
    if (l.reserved() != 0) {
      return "the reserved word of the list's header is " + Event.hex(l.reserved());
    }
    for (int i = l.current(); i <= l.end(); i++) {
      String entry = wrong(l.entry(i));
      if (!entry.isEmpty()) {
        return "entry " + i + " of the list (" + l.entry(i) + ") " + entry;
      }
    }
    return "";
  }

  private static String wrong(PageStateEntry e) {
    if (e.raw() >>> RESERVED_AT != 0) {
      return "has reserved bits set";
    }
    if (e.operation() < PageStateEntry.PRIVATE || e.operation() > PageStateEntry.UNSMASH) {
      return "asks for nothing that there is";
    }
    return e.wellFormed() ? "" : "is of 2M and not aligned, or has more pages done than there are";
  }

  // ---- the host's answer

  private void answer(GhcbExchange x, PageStateList before, PageStateList after) {
    String what = "the answer to " + ExitCode.name(x.exit()) + " ";
    if (before.current() > before.end()) {
      return;
    }
    boolean back = after.current() < before.current() || after.end() != before.end();
    if (back || after.reserved() != 0) {
      findings.add(
          Rule.HOST_PAGE_STATE,
          x.at(),
          x.vc(),
          () -> what + "has made the list " + after + " of " + before);
      return;
    }
    boolean moved =
        after.current() > before.current()
            || after.entry(before.current()).done() > before.entry(before.current()).done();
    if (!moved) {
      findings.add(
          Rule.HOST_PAGE_STATE,
          x.at(),
          x.vc(),
          () -> what + "says no error, but entry " + before.current() + " is not served");
    }
    for (int i = before.current(); i < Math.min(after.current(), last(before) + 1); i++) {
      PageStateEntry e = before.entry(i);
      if (!is(e.gfn(), e.operation())) {
        int which = i;
        findings.add(
            Rule.HOST_PAGE_STATE,
            x.at(),
            x.vc(),
            () -> what + "says that entry " + which + " (" + e + ") is served; the page is not so");
        return;
      }
    }
  }

  /** {@return whether a page is as it was asked to be, as far as the run has shown} */
  private boolean is(long gfn, int operation) {
    boolean isPrivate = pages.isPrivate(gfn << 12);
    return switch (operation) {
      case PageStateEntry.PRIVATE -> isPrivate;
      case PageStateEntry.SHARED -> !isPrivate;
      default -> true;
    };
  }

  /** Judges a page state change by the MSR protocol. */
  void exchange(MsrExchange e) {
    long r = e.request();
    if (MsrRequest.info(r) != MsrRequest.SNP_PAGE_STATE_REQ) {
      return;
    }
    At at = e.at();
    long gfn = MsrRequest.pageStateGfn(r);
    int operation = MsrRequest.pageStateOperation(r);
    if (operation == PageStateEntry.PRIVATE) {
      pages.askedForPrivate(gfn << 12, at, e.vc());
    }
    boolean done = e.response() == MsrRequest.result(MsrRequest.SNP_PAGE_STATE_RESP, 0);
    if (done && !is(gfn, operation)) {
      findings.add(
          Rule.HOST_PAGE_STATE,
          at,
          e.vc(),
          () ->
              "the response to "
                  + MsrRequest.explain(r)
                  + " says no error; the page at "
                  + Event.hex(gfn << 12)
                  + " is not so");
    }
  }
}
