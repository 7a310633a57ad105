package dev.vesper.machine.observe.format;

import dev.vesper.ghcb.GuestRequestResult;
import dev.vesper.ghcb.SvsmCall;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.ApCreationAsked;
import dev.vesper.machine.observe.Event.GuestRequestAnswered;
import dev.vesper.machine.observe.Event.Pvalidate;
import dev.vesper.machine.observe.Event.RmpChanged;
import dev.vesper.machine.observe.Event.RmpViolation;
import dev.vesper.machine.observe.Event.Rmpadjust;
import dev.vesper.machine.observe.Event.Rmpquery;
import dev.vesper.machine.observe.Event.SvsmCalled;
import dev.vesper.machine.observe.RmpCheck;
import dev.vesper.machine.observe.RmpState;

/** What events of SEV-SNP are about, in some words. */
public final class SnpWords {
  private static final String TO = " → ";

  private SnpWords() {}

  private static String place(long gva, long gpa) {
    return Event.hex(gpa == Event.NO_ADDRESS ? gva : gpa);
  }

  private static String pages(long first, long count, boolean large) {
    String size = large ? "2M " : "4K ";
    long bytes = count * (large ? 2L << 20 : 4096);
    return count == 1
        ? size + Event.hex(first)
        : count + " × " + size + Event.hex(first) + "–" + Event.hex(first + bytes - 1);
  }

  /** {@return how an instruction ends that has changed nothing} */
  private static String refusal(int eax, RmpCheck why) {
    String how = eax < 0 ? "faults" : eax == 0 ? "CF is set" : "refused with EAX " + eax;
    return "; " + how + ": " + why;
  }

  private static String change(RmpState before, RmpState after) {
    return before.equals(after) ? before.brief() : before.brief() + TO + after.brief();
  }

  /** {@return the pages, what they were and how it ends} */
  public static String pvalidate(Pvalidate p) {
    long first = p.gpa() == Event.NO_ADDRESS ? p.gva() : p.gpa();
    RmpState.Kind after = p.validate() ? RmpState.Kind.GUEST_VALID : RmpState.Kind.GUEST_INVALID;
    return pages(first, p.count(), p.large())
        + (p.gpa() == Event.NO_ADDRESS ? "" : ": " + p.before().brief())
        + (p.why() == RmpCheck.NONE ? TO + after : refusal(p.eax(), p.why()));
  }

  /** {@return what is asked for and how it ends} */
  public static String rmpadjust(Rmpadjust a) {
    return place(a.gva(), a.gpa())
        + " VMPL"
        + a.vmpl()
        + " permissions "
        + Event.hex(a.permissions())
        + (a.vmsa() ? " VMSA" : "")
        + (a.why() == RmpCheck.NONE
            ? ": " + change(a.before(), a.after())
            : refusal(a.eax(), a.why()));
  }

  /** {@return whom it asks for and how it ends} */
  public static String rmpquery(Rmpquery q) {
    return place(q.gva(), q.gpa())
        + " VMPL"
        + q.vmpl()
        + (q.why() == RmpCheck.NONE ? ": " + q.state().brief() : refusal(q.eax(), q.why()));
  }

  /** {@return the pages, what they were and what they are} */
  public static String changed(RmpChanged c) {
    String list =
        c.first() < 0
            ? ""
            : c.first() == c.last()
                ? ", entry " + c.first()
                : ", entries " + c.first() + " to " + c.last();
    return pages(c.gpa(), c.pages(), false)
        + " "
        + c.what()
        + list
        + ": "
        + change(c.before(), c.after())
        + (c.why().isEmpty() ? "" : "; " + c.why());
  }

  /** {@return the page, what it is and the check that has failed} */
  public static String violation(RmpViolation v) {
    return Event.hex(v.gpa())
        + (v.encrypted() ? ", C=1, " : ", C=0, ")
        + v.state().brief()
        + ": "
        + v.why()
        + (v.info1() == 0 ? " (#VC)" : " (#NPF)");
  }

  /** {@return the save area and the answer} */
  public static String creation(ApCreationAsked a) {
    return "save area " + Event.hex(a.area()) + TO + (a.why().isEmpty() ? "ok" : a.why());
  }

  /** {@return who calls, the inputs and the answer} */
  public static String called(SvsmCalled c) {
    String in = SvsmCall.request(c.call(), c.rcx(), c.rdx(), c.r8(), c.r9());
    return "VMPL"
        + c.level()
        + (in.isEmpty() ? "" : ", " + in)
        + (c.entries() < 0 ? "" : " (" + c.entries() + " entries, next " + c.next() + ")")
        + TO
        + SnpEvents.response(c);
  }

  /** {@return the page of the request and the answer} */
  public static String request(GuestRequestAnswered g) {
    return Event.hex(g.request())
        + TO
        + (g.info1() != 0 ? "malformed" : GuestRequestResult.of(g.info2()))
        + (g.why().isEmpty() ? "" : ": " + g.why());
  }
}
