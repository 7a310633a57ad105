package dev.vesper.machine.observe.format;

import dev.vesper.ghcb.SvsmCall;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.ApCreationAsked;
import dev.vesper.machine.observe.Event.GuestRequestAnswered;
import dev.vesper.machine.observe.Event.Pvalidate;
import dev.vesper.machine.observe.Event.RmpChanged;
import dev.vesper.machine.observe.Event.RmpViolation;
import dev.vesper.machine.observe.Event.Rmpadjust;
import dev.vesper.machine.observe.Event.Rmpquery;
import dev.vesper.machine.observe.Event.SvsmCalled;
import dev.vesper.machine.observe.RmpAccess;
import dev.vesper.machine.observe.RmpCause;
import dev.vesper.machine.observe.RmpCheck;

/** The details of events of SEV-SNP alone. */
final class SnpEvents {
  private static final String SMALL = "4K";
  private static final String LARGE = "2M";

  private SnpEvents() {}

  private static void flag(EventCodec.Details to, Key k, boolean on) {
    to.accept(k, on ? 1L : 0L);
  }

  private static void operand(EventCodec.Details to, long gva, long gpa, int eax) {
    to.accept(Key.GVA, gva);
    if (gpa != Event.NO_ADDRESS) {
      to.accept(Key.GPA, gpa);
    }
    if (eax >= 0) {
      to.accept(Key.EAX, (long) eax);
    }
  }

  private static long gpa(TraceRecord r) {
    return r.has(Key.GPA) ? r.number(Key.GPA) : Event.NO_ADDRESS;
  }

  private static int eax(TraceRecord r) {
    return r.has(Key.EAX) ? r.integer(Key.EAX) & 0x7FFF_FFFF : -1;
  }

  private static RmpCheck why(TraceRecord r) {
    return r.word(Key.WHY, RmpCheck.class, RmpCheck.NONE);
  }

  private static String size(boolean large) {
    return large ? LARGE : SMALL;
  }

  private static boolean large(TraceRecord r) {
    return r.text(Key.SIZE).equals(LARGE);
  }

  // ---- instructions

  static void pvalidate(Pvalidate p, EventCodec.Details to) {
    operand(to, p.gva(), p.gpa(), p.eax());
    flag(to, Key.CF, p.carry());
    to.accept(Key.SIZE, size(p.large()));
    to.accept(Key.COUNT, p.count());
    to.accept(Key.BEFORE, p.before());
    EventCodec.text(to, Key.WHY, p.why().toString());
  }

  static Event pvalidate(At at, TraceRecord r, boolean validate) {
    return new Pvalidate(
        at,
        r.number(Key.GVA),
        gpa(r),
        large(r),
        validate,
        eax(r),
        r.number(Key.CF) != 0,
        r.rmpState(Key.BEFORE),
        why(r),
        r.positive(Key.COUNT));
  }

  static void rmpadjust(Rmpadjust a, EventCodec.Details to) {
    operand(to, a.gva(), a.gpa(), a.eax());
    to.accept(Key.SIZE, size(a.large()));
    to.accept(Key.VMPL, (long) a.vmpl());
    to.accept(Key.PERMISSIONS, (long) a.permissions());
    flag(to, Key.VMSA, a.vmsa());
    to.accept(Key.BEFORE, a.before());
    to.accept(Key.AFTER, a.after());
    EventCodec.text(to, Key.WHY, a.why().toString());
  }

  static Event rmpadjust(At at, TraceRecord r) {
    return new Rmpadjust(
        at,
        r.number(Key.GVA),
        gpa(r),
        large(r),
        r.integer(Key.VMPL),
        r.integer(Key.PERMISSIONS),
        r.number(Key.VMSA) != 0,
        eax(r),
        r.rmpState(Key.BEFORE),
        r.rmpState(Key.AFTER),
        why(r));
  }

  static void rmpquery(Rmpquery q, EventCodec.Details to) {
    operand(to, q.gva(), q.gpa(), q.eax());
    to.accept(Key.VMPL, (long) q.vmpl());
    to.accept(Key.STATE, q.state());
    EventCodec.text(to, Key.WHY, q.why().toString());
  }

  static Event rmpquery(At at, TraceRecord r) {
    return new Rmpquery(
        at, r.number(Key.GVA), gpa(r), r.integer(Key.VMPL), eax(r), r.rmpState(Key.STATE), why(r));
  }

  // ---- the table

  static void changed(RmpChanged c, EventCodec.Details to) {
    EventCodec.text(to, Key.WHAT, c.what());
    to.accept(Key.GPA, c.gpa());
    to.accept(Key.PAGES, c.pages());
    to.accept(Key.BEFORE, c.before());
    to.accept(Key.AFTER, c.after());
    if (c.first() >= 0) {
      to.accept(Key.FIRST, (long) c.first());
      to.accept(Key.LAST, (long) c.last());
    }
    EventCodec.text(to, Key.WHY, c.why());
  }

  static Event changed(At at, TraceRecord r) {
    int first = r.has(Key.FIRST) ? r.integer(Key.FIRST) : -1;
    boolean listed = first >= 0;
    return new RmpChanged(
        at,
        Grammar.word("name", r.common("name"), RmpCause.class),
        r.text(Key.WHAT),
        r.number(Key.GPA),
        r.positive(Key.PAGES),
        r.rmpState(Key.BEFORE),
        r.rmpState(Key.AFTER),
        listed ? first : -1,
        listed ? r.integer(Key.LAST) : -1,
        r.text(Key.WHY));
  }

  static void violation(RmpViolation v, EventCodec.Details to) {
    to.accept(Key.GVA, v.gva());
    to.accept(Key.GPA, v.gpa());
    flag(to, Key.ENCRYPTED, v.encrypted());
    if (v.info1() != 0) {
      to.accept(Key.INFO1, v.info1());
    }
    to.accept(Key.STATE, v.state());
    EventCodec.text(to, Key.WHY, v.why().toString());
  }

  static Event violation(At at, TraceRecord r) {
    return new RmpViolation(
        at,
        Grammar.word("name", r.common("name"), RmpAccess.class),
        r.number(Key.GVA),
        r.number(Key.GPA),
        r.number(Key.ENCRYPTED) != 0,
        r.number(Key.INFO1),
        r.rmpState(Key.STATE),
        why(r));
  }

  // ---- events of the GHCB

  static void creation(ApCreationAsked a, EventCodec.Details to) {
    to.accept(Key.INFO1, a.info1());
    to.accept(Key.AREA, a.area());
    to.accept(Key.FEATURES, a.features());
    EventCodec.text(to, Key.WHY, a.why());
  }

  static Event creation(At at, TraceRecord r) {
    return new ApCreationAsked(
        at, r.number(Key.INFO1), r.number(Key.AREA), r.number(Key.FEATURES), r.text(Key.WHY));
  }

  static void request(GuestRequestAnswered g, EventCodec.Details to) {
    to.accept(Key.REQUEST, Event.hex(g.request()));
    to.accept(Key.RESPONSE, Event.hex(g.response()));
    to.accept(Key.INFO1, g.info1());
    to.accept(Key.INFO2, g.info2());
    EventCodec.text(to, Key.WHY, g.why());
  }

  // ---- calls of a service module

  static void called(SvsmCalled c, EventCodec.Details to) {
    to.accept(Key.VMPL, (long) c.level());
    to.accept(Key.CALL, c.call());
    to.accept(Key.RCX, c.rcx());
    to.accept(Key.RDX, c.rdx());
    to.accept(Key.R8, c.r8());
    to.accept(Key.R9, c.r9());
    known(to, Key.PENDING, c.pending());
    known(to, Key.ENTRIES, c.entries());
    known(to, Key.NEXT, c.next());
    EventCodec.text(to, Key.REQUEST, SvsmCall.request(c.call(), c.rcx(), c.rdx(), c.r8(), c.r9()));
    if (!c.answered()) {
      return;
    }
    to.accept(Key.RESULT, c.result());
    to.accept(Key.OUT_RCX, c.outRcx());
    to.accept(Key.OUT_RDX, c.outRdx());
    to.accept(Key.OUT_R8, c.outR8());
    known(to, Key.LEFT, c.left());
    EventCodec.text(to, Key.RESPONSE, response(c));
  }

  /** {@return the answer in words} */
  static String response(SvsmCalled c) {
    return !c.answered()
        ? "not answered"
        : c.left() > 0
            ? "not taken"
            : SvsmCall.response(c.call(), c.result(), c.outRcx(), c.outRdx(), c.outR8());
  }

  private static void known(EventCodec.Details to, Key k, int v) {
    if (v >= 0) {
      to.accept(k, (long) v);
    }
  }

  private static int known(TraceRecord r, Key k) {
    return r.has(k) ? r.integer(k) & 0x7FFF_FFFF : -1;
  }

  static Event called(At at, TraceRecord r) {
    return new SvsmCalled(
        at,
        r.integer(Key.VMPL),
        r.number(Key.CALL),
        r.number(Key.RCX),
        r.number(Key.RDX),
        r.number(Key.R8),
        r.number(Key.R9),
        known(r, Key.PENDING),
        known(r, Key.ENTRIES),
        known(r, Key.NEXT),
        r.has(Key.RESULT),
        r.number(Key.RESULT),
        r.number(Key.OUT_RCX),
        r.number(Key.OUT_RDX),
        r.number(Key.OUT_R8),
        known(r, Key.LEFT));
  }

  static Event request(At at, TraceRecord r, boolean extended) {
    return new GuestRequestAnswered(
        at,
        extended,
        r.number(Key.REQUEST),
        r.number(Key.RESPONSE),
        r.number(Key.INFO1),
        r.number(Key.INFO2),
        r.text(Key.WHY));
  }
}
