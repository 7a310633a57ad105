package dev.vesper.machine.trace;

import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.Pvalidate;
import dev.vesper.machine.observe.Event.RmpChanged;
import org.jspecify.annotations.Nullable;

/** Makes one event of several that say the same of pages which follow each other. */
final class EventRuns {
  private static final long SMALL = 4096;
  private static final long LARGE = 2 << 20;

  private EventRuns() {}

  /** {@return one event for two, or null if they have more to say than it can} */
  static @Nullable Event join(Event a, Event b) {
    if (!samePlace(a.at(), b.at())) {
      return null;
    }
    if (a instanceof Pvalidate p && b instanceof Pvalidate q) {
      return join(p, q);
    }
    return a instanceof RmpChanged r && b instanceof RmpChanged s ? join(r, s) : null;
  }

  private static boolean samePlace(At a, At b) {
    return a.vcpu() == b.vcpu()
        && a.rip() == b.rip()
        && a.cpl() == b.cpl()
        && a.bits() == b.bits()
        && b.accesses().size() == 0;
  }

  private static @Nullable Event join(Pvalidate a, Pvalidate b) {
    long bytes = a.count() * (a.large() ? LARGE : SMALL);
    boolean follows =
        a.gpa() != Event.NO_ADDRESS
            && b.gpa() == a.gpa() + bytes
            && b.gva() == a.gva() + bytes
            && b.large() == a.large()
            && b.validate() == a.validate()
            && b.eax() == a.eax()
            && b.carry() == a.carry()
            && b.why() == a.why()
            && b.before().equals(a.before().behind(bytes));
    return follows
        ? new Pvalidate(
            a.at(),
            a.gva(),
            a.gpa(),
            a.large(),
            a.validate(),
            a.eax(),
            a.carry(),
            a.before(),
            a.why(),
            a.count() + b.count())
        : null;
  }

  private static @Nullable Event join(RmpChanged a, RmpChanged b) {
    long bytes = a.pages() * SMALL;
    boolean follows =
        b.gpa() == a.gpa() + bytes
            && b.cause() == a.cause()
            && b.what().equals(a.what())
            && b.why().equals(a.why())
            && (b.first() == a.last() || a.last() >= 0 && b.first() == a.last() + 1)
            && b.before().equals(a.before().behind(bytes))
            && b.after().equals(a.after().behind(bytes));
    return follows
        ? new RmpChanged(
            a.at(),
            a.cause(),
            a.what(),
            a.gpa(),
            a.pages() + b.pages(),
            a.before(),
            a.after(),
            a.first(),
            b.last(),
            a.why())
        : null;
  }
}
