package dev.vesper.cli.attack;

import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Registers;
import dev.vesper.machine.spec.Outcome;
import java.util.function.Predicate;

/** Decides what a trial says of an attack by answers. */
final class Judge {
  private Judge() {}

  /**
   * {@return whether a guest has believed its host}
   *
   * <p>Told to the handler of a #VC, a lie is believed if the handler returns to the code that it
   * interrupted with what the lie makes of registers. Told to code that asks by itself, it is if
   * the guest goes on.
   *
   * @param nothing why the host has not come to lie
   * @param shows whether registers show the lie
   * @param what the host has reached
   */
  static Verdict believed(
      Trial t, Outcome o, String nothing, Predicate<Event.VcReturned> shows, String what) {
    if (t.lies() == 0) {
      return Verdict.notApplicable(nothing);
    }
    Event.VcReturned r = t.returned();
    String ending = t.ending(o);
    if (r != null && shows.test(r)) {
      return Verdict.vulnerable(what, "the #VC returned with " + registers(r.registers()));
    }
    if (r != null) {
      return Verdict.defended(
          "the handler does not take it", "the #VC returned with " + registers(r.registers()));
    }
    if (ending != null) {
      return Verdict.defended(ending, t.exchanges() + " exchanges after the lie");
    }
    return t.toHandler()
        ? Verdict.defended("never returns from the handler", o.reason())
        : Verdict.vulnerable(
            what,
            t.exchanges() + " exchanges and " + t.since() + " instructions later: " + o.reason());
  }

  /**
   * {@return whether a guest that was told wrongly how its memory is encrypted goes on}
   *
   * @param nothing why the host has not come to lie
   */
  static Verdict unencrypted(AttackRun run, Trial t, Outcome o, String nothing) {
    if (t.lies() == 0) {
      return Verdict.notApplicable(nothing);
    }
    String ending = t.ending(o);
    int opened = t.opened(run.usuallyShared());
    if (opened > 0) {
      return Verdict.vulnerable(
          "goes on without encryption",
          opened + " pages that were private were touched as shared; " + o.reason());
    }
    return ending != null
        ? Verdict.defended(ending + ", before any private page is touched as shared")
        : Verdict.defended(
            "goes on with encryption all the same",
            t.exchanges() + " exchanges and " + t.since() + " instructions later: " + o.reason());
  }

  static String registers(Registers r) {
    return "RAX 0x%x, RBX 0x%x, RCX 0x%x, RDX 0x%x".formatted(r.rax(), r.rbx(), r.rcx(), r.rdx());
  }
}
