package dev.vesper.cli.attack;

import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.hostile.Script;
import dev.vesper.machine.hostile.SiliconAction;
import dev.vesper.machine.hostile.Trigger;
import dev.vesper.machine.spec.Outcome;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;

/**
 * Attacks on what is between a guest and its memory: translations, keys, and whose page is whose.
 */
final class Disturbances {
  private static final String KERNEL = "an ordinary function of the kernel runs";
  private static final int ASID = 0x58;
  private static final int PAGE = 4096;
  private static final long SOON = 10_000;
  private static final long ENOUGH = 20_000_000;

  /** Where the kernel is entered from a program, at the latest. */
  private static final Map<Target.Kind, String> ENTERED =
      Map.of(Target.Kind.LOCORE, "vctrap", Target.Kind.LINUX, "do_syscall_64");

  private Disturbances() {}

  static List<Attack> all() {
    return List.of(
        Attack.lawful(
            "severity",
            "the page of an unprivileged program's code is mapped where the kernel's own was",
            "SEVerity, WOOT 2021, CVE-2020-12967",
            "a program runs with CPL 3, and then its kernel",
            "with CPL 0 the processor executes the program's bytes",
            Disturbances::foreignCode),
        Attack.lawful(
            "crossline",
            "VMRUN is given the ASID of another guest for a moment",
            "CrossLine, CCS 2020",
            KERNEL,
            "the guest executes an instruction, or an access of its exits with an address",
            Disturbances::otherKey),
        new Attack(
            "tlb-poisoning",
            "translations that are to be flushed stay",
            "CVE-2021-26340",
            Power.BROKEN_SILICON,
            KERNEL,
            "the guest's end is another one",
            Disturbances::staleTranslations));
  }

  private static Verdict foreignCode(AttackRun run) {
    String entry = ENTERED.get(run.target().kind());
    long n = Place.PROGRAM.find(run);
    if (n < 0 || entry == null) {
      return Verdict.notApplicable("nothing is known of programs in this guest");
    }
    byte[] own;
    long good;
    try (Trial t = run.trialAt(n)) {
      Machine m = t.machine();
      m.run(Until.instructions(n));
      if (!(m.run(Until.symbol(entry).or(Until.instructions(n + ENOUGH)))
          instanceof Stop.Breakpoint)) {
        return Verdict.notApplicable("the program does not enter its kernel there");
      }
      own = m.observer().current().read(m.observer().current().rip(), 8);
      m.step(0);
      good = m.observer().current().rip();
    }
    try (Trial t = run.trialAt(n)) {
      Machine m = t.machine();
      m.run(Until.instructions(n));
      VcpuView v = m.observer().current();
      long program = v.physical(v.rip()) & -PAGE;
      OptionalLong kernel = KernelAccess.address(m.symbols(v), entry);
      long linear = kernel.orElse(-1);
      long text = v.physical(linear) & -PAGE;
      if (kernel.isEmpty() || !m.hostView().contains(text, PAGE)) {
        return Verdict.notApplicable("the kernel's code is not mapped while the program runs");
      }
      m.hypervisor().nested().map(text, program);
      Stop s = m.run(Until.address(linear).or(Until.instructions(n + ENOUGH)));
      if (s instanceof Stop.Breakpoint) {
        s = m.step(v.id());
      }
      if (s instanceof Stop.Ended e && e.outcome().is(Outcome.PAGE_REFUSED)) {
        return Verdict.defended("the reverse map table refuses the page", e.outcome().reason());
      }
      String proof =
          "the kernel's bytes were " + HexFormat.of().formatHex(own) + "; " + s.description();
      return v.rip() != good || s instanceof Stop.Ended
          ? Verdict.limit("executes a program's bytes as its own", Tampering.SNP, proof)
          : Verdict.defended("executes its own code", proof);
    }
  }

  private static Verdict otherKey(AttackRun run) {
    long n = Place.KERNEL.find(run);
    if (n < 0) {
      return Verdict.notApplicable("nothing is known of the kernel's places in this guest");
    }
    try (Trial t = run.trialAt(n)) {
      Machine m = t.machine();
      m.hypervisor().at(n, exit -> exit.vmcb().set(ASID, exit.vmcb().get(ASID) + 1));
      Stop s = m.run(Until.instructions(n + SOON));
      long more = m.instructions() - n;
      if (more == 0) {
        return Verdict.defended("the processor does not run it with another key", s.description());
      }
      return Verdict.limit("runs with another guest's key", Tampering.SNP, s.description());
    }
  }

  private static Verdict staleTranslations(AttackRun run) {
    long n = Place.KERNEL.find(run);
    if (n < 0) {
      return Verdict.notApplicable("nothing is known of the kernel's places in this guest");
    }
    Outcome good = run.untouched();
    Script script =
        Script.builder()
            .silicon(new Trigger.AfterInstruction(n))
            .perform(new SiliconAction.KeepTlb(true))
            .build();
    try (Trial t = run.trial(b -> b.hostile(script))) {
      Outcome o = t.run();
      return o.equals(good)
          ? Verdict.defended("does not depend on a flush from there on", o.reason())
          : Verdict.limit(
              "uses translations that it has taken back", BrokenMachines.MICROCODE, o.reason());
    }
  }
}
