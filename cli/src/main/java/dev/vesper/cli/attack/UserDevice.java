package dev.vesper.cli.attack;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.host.NestedPaging;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;

/**
 * The kernel's handler of #VC decodes an instruction of a program, which can change it meanwhile. A
 * kernel that does not decode for programs has nothing that could change.
 */
final class UserDevice {
  private static final int PAGE = 4096;
  private static final long ENOUGH = 3_000_000;

  /** Where a program is ended, or told by a signal. */
  private static final Map<Target.Kind, String> KILLED =
      Map.of(Target.Kind.LOCORE, "process_signal", Target.Kind.LINUX, "do_group_exit");

  private UserDevice() {}

  static List<Attack> all() {
    return List.of(
        Attack.lawful(
            "vc-decode-race",
            "a page of a program's is said to be a device's, so that the kernel decodes what the"
                + " program can change",
            "CVE-2023-46813; Linux a37cd2a59d0c, 63e44bc52047",
            "a program runs with CPL 3 and uses its stack, or its code page",
            "the handler makes an MMIO exchange for an instruction of the program's",
            UserDevice::carryOut));
  }

  private static Verdict carryOut(AttackRun run) {
    long n = Place.PROGRAM.find(run);
    if (n < 0) {
      return Verdict.notApplicable("nothing is known of programs in this guest");
    }
    try (Trial t = run.trialAt(n)) {
      Machine m = t.machine();
      m.run(Until.instructions(n));
      VcpuView v = m.observer().current();
      int marked = 0;
      for (long linear : new long[] {v.gpr(VcpuView.RSP) - 1, v.rip()}) {
        long page = v.physical(linear) & -PAGE;
        if (m.hostView().contains(page, PAGE)) {
          m.hypervisor().nested().set(page, NestedPaging.Mapping.MMIO);
          marked++;
        }
      }
      long[] exchanges = new long[1];
      m.hypervisor()
          .onEvents(
              (exit, profile) -> {
                if (exit.code() == ExitCode.MMIO_READ || exit.code() == ExitCode.MMIO_WRITE) {
                  exchanges[0]++;
                }
                profile.run();
              });
      String kill = KILLED.get(run.target().kind());
      Until end =
          Stream.of(kill)
              .filter(Objects::nonNull)
              .map(Until::symbol)
              .reduce(Until.instructions(n + ENOUGH), Until::or);
      Stop s = m.run(end);
      String proof = marked + " pages marked; " + s.description();
      if (exchanges[0] > 0) {
        return Verdict.vulnerable("decodes the program's instruction for its host", proof);
      }
      if (s instanceof Stop.Breakpoint) {
        return Verdict.defended("ends the program, whose instruction it does not decode", proof);
      }
      String ending = s instanceof Stop.Ended e ? t.ending(e.outcome()) : null;
      return Verdict.defended(ending != null ? ending : "makes no MMIO exchange", proof);
    }
  }
}
