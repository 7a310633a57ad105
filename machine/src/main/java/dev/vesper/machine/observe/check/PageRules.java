package dev.vesper.machine.observe.check;

import dev.vesper.ghcb.PageStateEntry;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.Omission;
import dev.vesper.machine.observe.Event.Pvalidate;
import dev.vesper.machine.observe.Event.RmpChanged;
import dev.vesper.machine.observe.Event.RmpViolation;
import dev.vesper.machine.observe.Event.Rmpadjust;
import dev.vesper.machine.observe.RmpCause;
import dev.vesper.machine.observe.RmpCheck;
import dev.vesper.machine.observe.RmpState.Kind;
import dev.vesper.machine.observe.check.LastChanges.Last;
import dev.vesper.machine.observe.check.LastChanges.Stretch;
import java.util.ArrayList;
import java.util.List;

/**
 * The rules for who owns a page of a guest under SEV-SNP, and whether the guest has accepted it.
 */
final class PageRules {
  private static final long SMALL = 4096;
  private static final long LARGE = 2 << 20;

  /** Changes by the host alone that wait for what it says about them. */
  private static final int MOST_TAKEN = 4096;

  private final Findings findings;
  private final LastChanges history;
  private final LaunchedPages launched;
  private final List<RmpChanged> taken = new ArrayList<>();

  PageRules(Findings findings, LastChanges history, LaunchedPages launched) {
    this.findings = findings;
    this.history = history;
    this.launched = launched;
  }

  // ---- the host's instructions

  /** Judges a change of the reverse map table, and remembers it. */
  void changed(RmpChanged e, long vc) {
    long end = e.gpa() + e.pages() * SMALL;
    Kind before = e.before().kind();
    Kind after = e.after().kind();
    if (e.cause() == RmpCause.LAUNCH) {
      launched.add(e);
      history.put(e.gpa(), end, Last.LAUNCHED, e.at());
      return;
    }
    if (before == after) {
      return;
    }
    boolean gone = !e.after().isGuests();
    boolean asked = e.cause() == RmpCause.MSR_PROTOCOL || e.cause() == RmpCause.PAGE_STATE_CHANGE;
    if (before == Kind.GUEST_VALID) {
      boolean wanted = e.what().equals(PageStateEntry.operation(PageStateEntry.SHARED));
      if (asked && !wanted) {
        invalidates(e, e.at(), vc);
      } else if (asked) {
        findings.add(
            Rule.SHARED_WHILE_VALID,
            e.at(),
            vc,
            () -> pages(e) + " become shared at the guest's request while they are validated");
      } else if (e.cause() == RmpCause.HOST && taken.size() < MOST_TAKEN) {
        taken.add(e);
      }
    }
    if (asked || e.cause() == RmpCause.IMPLICIT) {
      given(e, end, gone, vc);
    }
    if (e.cause() == RmpCause.IMPLICIT) {
      flipped(e, gone, vc);
    }
    history.put(e.gpa(), end, last(e.cause(), gone), e.at());
  }

  private static Last last(RmpCause cause, boolean gone) {
    return switch (cause) {
      case HOST -> gone ? Last.TAKEN : Last.INVALIDATED;
      case IMPLICIT -> gone ? Last.FLIPPED_SHARED : Last.FLIPPED_PRIVATE;
      default -> gone ? Last.TURNED_SHARED : Last.TURNED_PRIVATE;
    };
  }

  /** The guest gives a page to the host. */
  private void given(RmpChanged e, long end, boolean gone, long vc) {
    if (gone && launched.overlaps(LaunchedPages.SECRETS, e.gpa(), end)) {
      findings.add(
          Rule.SECRETS_SHARED,
          e.at(),
          vc,
          () -> "the secrets page at " + Event.hex(e.gpa()) + " becomes shared");
    }
  }

  private void flipped(RmpChanged e, boolean gone, long vc) {
    Stretch s = history.of(e.gpa());
    boolean agreed = gone ? e.before().kind() != Kind.GUEST_VALID : s == null;
    if (agreed) {
      return;
    }
    findings.add(
        Rule.IMPLICIT_CONVERSION,
        e.at(),
        vc,
        () ->
            "the page at "
                + Event.hex(e.gpa())
                + (gone ? ", which is validated, is touched without" : " is touched with")
                + " the C-bit"
                + (gone || s == null ? "" : "; it " + s.words())
                + ": the host has changed it, and what was in it is lost");
  }

  private static String pages(RmpChanged e) {
    return e.pages() == 1
        ? "the page at " + Event.hex(e.gpa()) + (e.before().large() ? " (2M)" : "")
        : e.pages() + " pages from " + Event.hex(e.gpa()) + " on";
  }

  /**
   * The host has changed pages of itself, and then answers a request to make one private.
   *
   * @param at of the request
   */
  void askedForPrivate(long gpa, At at, long vc) {
    for (int i = taken.size() - 1; i >= 0; i--) {
      RmpChanged e = taken.get(i);
      if (gpa >= e.gpa() && gpa < e.gpa() + e.pages() * SMALL) {
        taken.remove(i);
        invalidates(e, at, vc);
      }
    }
  }

  private void invalidates(RmpChanged e, At at, long vc) {
    findings.add(
        Rule.HOST_INVALIDATES,
        at,
        vc,
        () ->
            pages(e)
                + " were private and validated; asked to make them private, the host has made them "
                + e.after().brief());
  }

  /** What the host has changed of itself was not because of the guest. */
  void settle(long vc) {
    for (RmpChanged e : taken) {
      String type = launched.type(e.gpa());
      findings.add(
          Rule.HOST_TAKES_PAGE,
          e.at(),
          vc,
          () ->
              pages(e)
                  + (type.isEmpty() ? "" : " (launched as " + type + ")")
                  + " were the guest's and validated; the host has made them "
                  + e.after().brief()
                  + " of itself");
    }
    taken.clear();
  }

  /** {@return whether there is anything to settle} */
  boolean unsettled() {
    return !taken.isEmpty();
  }

  // ---- the guest's

  /** Judges PVALIDATE, and remembers what it has done. */
  void pvalidate(Pvalidate e, VcpuState v) {
    long vc = v.current();
    if (e.why() == RmpCheck.VMPL) {
      findings.add(
          Rule.VMPL0_ONLY,
          e.at(),
          vc,
          () -> "PVALIDATE of linear address " + Event.hex(e.gva()) + " is executed below VMPL0");
    }
    if (e.validate()) {
      goesOn(v, "validates more");
    }
    if (e.eax() != 0 || e.gpa() == Event.NO_ADDRESS) {
      return;
    }
    if (e.carry()) {
      if (e.validate()) {
        v.unchanged = e;
      }
      if (e.count() > 1) {
        goesOn(v, "validates more");
      }
      return;
    }
    long end = e.gpa() + e.count() * (e.large() ? LARGE : SMALL);
    history.put(e.gpa(), end, e.validate() ? Last.VALIDATED : Last.RESCINDED, e.at());
  }

  /**
   * The guest does something that it would not do if it had taken CF of PVALIDATE for an attack.
   *
   * @param what it does
   */
  void goesOn(VcpuState v, String what) {
    Pvalidate e = v.unchanged;
    if (e == null) {
      return;
    }
    v.unchanged = null;
    findings.add(
        Rule.DOUBLE_VALIDATION,
        e.at(),
        v.current(),
        () ->
            "PVALIDATE of "
                + Event.hex(e.gpa())
                + " says by CF that the page was validated already"
                + before(e.gpa())
                + "; the guest "
                + what);
  }

  private String before(long gpa) {
    Stretch s = history.of(gpa);
    return s == null ? "" : " (it " + s.words() + ")";
  }

  /** Judges RMPADJUST. */
  void rmpadjust(Rmpadjust e, long vc) {
    if (e.why() == RmpCheck.VMSA_BELOW_VMPL0) {
      findings.add(
          Rule.VMPL0_ONLY,
          e.at(),
          vc,
          () ->
              "RMPADJUST of "
                  + Event.hex(e.gpa())
                  + " asks for a save area below VMPL0: the processor ignores it");
    }
  }

  /** Judges an access that the table has refused. */
  void violation(RmpViolation e, long vc) {
    Stretch s = history.of(e.gpa());
    boolean hosts = s != null && (s.last() == Last.TAKEN || s.last() == Last.INVALIDATED);
    if (e.why() != RmpCheck.VALIDATED || hosts) {
      return;
    }
    findings.add(
        Rule.PAGE_NOT_VALIDATED,
        e.at(),
        vc,
        () ->
            "#VC(404h): "
                + e.access()
                + " of "
                + Event.hex(e.gpa())
                + " (linear "
                + Event.hex(e.gva())
                + ") before it is validated: "
                + (s == null ? "nobody has ever accepted the page" : "the page " + s.words()));
  }

  /** Judges what the guest has left out. */
  void omission(Omission e, VcpuState v, boolean evictionNeeded) {
    long vc = v.current();
    String page = "the page at " + Event.hex(e.gpa());
    switch (e.what()) {
      case RESULT ->
          findings.add(
              Rule.PVALIDATE_RESULT,
              e.at(),
              vc,
              () -> "EAX of {" + e.at().instruction() + "} for " + page + " is never looked at");
      case CARRY ->
          findings.add(
              Rule.PVALIDATE_CARRY,
              e.at(),
              vc,
              () -> "CF of {" + e.at().instruction() + "} for " + page + " is never looked at");
      case UNCHANGED ->
          goesOn(v, "uses the page at " + At.place(e.at().rip(), e.at().symbol(), ""));
      case EVICTION -> {
        if (evictionNeeded) {
          findings.add(
              Rule.EVICTION_MISSING,
              e.at(),
              vc,
              () ->
                  page
                      + " is used since it was validated, without a read of its first and of its"
                      + " last byte before");
        }
      }
    }
  }

  /** {@return whether the guest owns a page, as far as the run has shown} */
  boolean isPrivate(long gpa) {
    Stretch s = history.of(gpa);
    return s != null && s.last().isPrivate();
  }
}
