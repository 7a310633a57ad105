package dev.vesper.machine.trace;

import dev.vesper.machine.observe.Accesses;
import dev.vesper.machine.observe.GhcbUse;

/** What is known about one vCPU. */
final class TracedVcpu {
  final PendingVc pending = new PendingVc();
  final AnswerCheck answerCheck = new AnswerCheck();
  final ResultCheck resultCheck = new ResultCheck();

  /** What the guest did with its GHCB since the event before. */
  private Accesses accesses = new Accesses();

  /** Frame of the GHCB in the MSR, or -1. */
  int ghcbFrame = -1;

  /** Linear address that the guest used for it last, or -1. */
  long ghcbLinear = -1;

  /** What the GHCB holds since the last answer. */
  GhcbUse open = GhcbUse.NONE;

  void access(Accesses.Kind kind, int offset, int bytes, long value, long rip) {
    accesses.add(kind, offset, bytes, value, rip);
  }

  /** {@return the accesses so far, which then begin anew} */
  Accesses takeAccesses() {
    if (accesses.size() == 0) {
      return Accesses.NONE;
    }
    Accesses a = accesses;
    accesses = new Accesses();
    return a;
  }

  /** {@return the number of the innermost #VC in service, 0 for none} */
  long inService() {
    PendingVc.Frame f = pending.top();
    return f == null ? 0 : f.id;
  }

  /** {@return the address that the innermost #VC in service has interrupted, 0 for none} */
  long interrupted() {
    PendingVc.Frame f = pending.top();
    return f == null ? 0 : f.rip;
  }
}
