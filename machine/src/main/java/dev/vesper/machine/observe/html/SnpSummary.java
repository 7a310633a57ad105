package dev.vesper.machine.observe.html;

import dev.vesper.ghcb.GuestRequestResult;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.ApCreationAsked;
import dev.vesper.machine.observe.Event.GuestRequestAnswered;
import dev.vesper.machine.observe.Event.Pvalidate;
import dev.vesper.machine.observe.Event.RmpChanged;
import dev.vesper.machine.observe.Event.RmpViolation;
import dev.vesper.machine.observe.Event.Rmpadjust;
import dev.vesper.machine.observe.Event.Rmpquery;
import dev.vesper.machine.observe.RmpCheck;

/** What events of SEV-SNP are about, in some words. */
final class SnpSummary {
  private static final String TO = " → ";

  private SnpSummary() {}

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

  /** {@return how an instruction ends} */
  private static String result(int eax, RmpCheck why) {
    String words = why == RmpCheck.NONE ? "" : ": " + why;
    return TO + (eax < 0 ? "faults" : eax == 0 ? "ok" : "EAX " + eax) + words;
  }

  static String pvalidate(Pvalidate p) {
    long first = p.gpa() == Event.NO_ADDRESS ? p.gva() : p.gpa();
    return pages(first, p.count(), p.large())
        + ", "
        + p.before().brief()
        + result(p.eax(), p.why());
  }

  static String rmpadjust(Rmpadjust a) {
    return place(a.gva(), a.gpa())
        + " VMPL"
        + a.vmpl()
        + " permissions "
        + Event.hex(a.permissions())
        + (a.vmsa() ? " VMSA" : "")
        + result(a.eax(), a.why());
  }

  static String rmpquery(Rmpquery q) {
    return place(q.gva(), q.gpa()) + " VMPL" + q.vmpl() + result(q.eax(), q.why());
  }

  static String changed(RmpChanged c) {
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
        + (c.before().equals(c.after())
            ? c.before().brief()
            : c.before().brief() + TO + c.after().brief())
        + (c.why().isEmpty() ? "" : "; " + c.why());
  }

  static String violation(RmpViolation v) {
    return Event.hex(v.gpa())
        + (v.encrypted() ? ", C=1, " : ", C=0, ")
        + v.state().brief()
        + ": "
        + v.why()
        + (v.info1() == 0 ? " (#VC)" : " (#NPF)");
  }

  static String creation(ApCreationAsked a) {
    return "save area " + Event.hex(a.area()) + TO + (a.why().isEmpty() ? "ok" : a.why());
  }

  static String request(GuestRequestAnswered g) {
    return Event.hex(g.request())
        + TO
        + (g.info1() != 0 ? "malformed" : GuestRequestResult.of(g.info2()))
        + (g.why().isEmpty() ? "" : ": " + g.why());
  }
}
