package dev.vesper.machine.hostile;

import dev.vesper.machine.host.Exit;
import dev.vesper.machine.host.HypervisorProgram;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;

/** How a host has time-stamp counters run otherwise: by the offset in the VMCB, at each VMRUN. */
final class TscLies implements Consumer<Exit.Appointment> {
  private static final int TSC_OFFSET = 0x050;

  private record Lie(LawfulAction.TscChange change, long amount, long begun, long real) {}

  private final HypervisorProgram program;
  private final Map<Integer, Lie> lies = new HashMap<>();

  TscLies(HypervisorProgram program) {
    this.program = program;
  }

  String change(LawfulAction.Tsc t, Exit exit) {
    int vcpu = exit.vcpu();
    long now = program.platform().timeStampCounter(vcpu);
    if (t.change() == LawfulAction.TscChange.OFFSET) {
      exit.vmcb().set(TSC_OFFSET, exit.vmcb().get(TSC_OFFSET) + t.amount());
      return "the time-stamp counter is " + t.amount() + " more";
    }
    if (lies.isEmpty()) {
      program.onEntry(this);
    }
    lies.put(vcpu, new Lie(t.change(), t.amount(), now, exit.time()));
    return t.change() == LawfulAction.TscChange.HOLD
        ? "the time-stamp counter stands still"
        : "the time-stamp counter runs " + t.amount() + " thousandths as fast";
  }

  @Override
  public void accept(Exit.Appointment exit) {
    Lie l = lies.get(exit.vcpu());
    if (l == null) {
      return;
    }
    long passed = exit.time() - l.real;
    long meant =
        l.change == LawfulAction.TscChange.HOLD
            ? l.begun
            : l.begun + passed / 1000 * l.amount + passed % 1000 * l.amount / 1000;
    long is = program.platform().timeStampCounter(exit.vcpu());
    exit.vmcb().set(TSC_OFFSET, exit.vmcb().get(TSC_OFFSET) + meant - is);
  }
}
