package dev.vesper.cli.attack;

import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.hostile.HostValue;
import dev.vesper.machine.hostile.LawfulAction;
import dev.vesper.machine.hostile.Place;
import dev.vesper.machine.hostile.Script;
import dev.vesper.machine.hostile.SiliconAction;
import dev.vesper.machine.hostile.Trigger;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.util.Arrays;
import java.util.List;

/** The processor or its firmware breaks a rule, and a host makes use of it. */
final class BrokenMachines {
  private static final String RUNS = "an ordinary function of the kernel runs";

  /** What mends a processor. */
  static final String MICROCODE = "microcode closes it";

  private static final int PAGE = 4096;
  private static final int LINE = 64;
  private static final long LATER = 20_000;
  private static final long SHORTLY = 200;

  /** What the faulty microcode has RDRAND give. */
  private static final long CONSTANT = 4;

  private BrokenMachines() {}

  static List<Attack> all() {
    return List.of(
        broken(
            "cachewarp",
            "stores of the guest are dropped by INVD",
            "CacheWarp, CVE-2023-20592",
            "the guest's plaintext is what it was before the stores",
            BrokenMachines::cacheWarp),
        broken(
            "stackwarp",
            "the stack pointer is moved by eight bytes for one instruction",
            "StackWarp, CVE-2025-29943",
            "the instruction is executed with another stack pointer",
            BrokenMachines::stackWarp),
        broken(
            "badram",
            "a page of the memory modules appears twice, and its old ciphertext is put back",
            "BadRAM, CVE-2024-21944",
            "the guest's plaintext is what it was before",
            BrokenMachines::badRam),
        broken(
            "rmp-edit",
            "an entry of the reverse map table is written, and the page mapped for another",
            "RMPocalypse, CVE-2025-0033; Fabricked, CVE-2025-54510",
            "the guest uses the other page and no access is refused",
            BrokenMachines::rmpEdit),
        new Attack(
            "rdrand-constant",
            "RDRAND always gives the same number",
            "EntrySign, GHSA-4xq7-4mgh-gp6w",
            Power.BROKEN_SILICON,
            "the kernel tries RDRAND when it starts: Linux",
            "RDRAND has given the number, and the kernel goes on to its first program",
            BrokenMachines::constantRandom));
  }

  private static Attack broken(
      String name, String title, String source, String oracle, Attack.Method m) {
    return new Attack(name, title, source, Power.BROKEN_SILICON, RUNS, oracle, m);
  }

  /** Where the kernel's stack is at the place. */
  record Stack(long instructions, long linear, long gpa) {}

  static Stack stack(AttackRun run) {
    long n = dev.vesper.cli.attack.Place.KERNEL.find(run);
    if (n < 0) {
      return new Stack(-1, 0, 0);
    }
    try (Trial t = run.trialAt(n)) {
      t.machine().run(Until.instructions(n));
      VcpuView v = t.machine().observer().current();
      long linear = (v.gpr(VcpuView.RSP) & -LINE) - LINE;
      long gpa = v.physical(linear);
      boolean memory = t.machine().hostView().contains(gpa & -PAGE, 2 * PAGE);
      return new Stack(memory ? n : -1, linear, gpa);
    }
  }

  private static Verdict unknown() {
    return Verdict.notApplicable("nothing is known of the kernel's places in this guest");
  }

  private static Verdict cacheWarp(AttackRun run) {
    Stack s = stack(run);
    if (s.instructions < 0) {
      return unknown();
    }
    Script script =
        Script.builder()
            .silicon(new Trigger.AfterInstruction(s.instructions))
            .perform(new SiliconAction.WriteBack("line", Place.gpa(s.gpa), LINE))
            .silicon(new Trigger.AfterInstruction(s.instructions + SHORTLY))
            .perform(new SiliconAction.DropStores("line"))
            .build();
    try (Trial t = run.trial(b -> b.hostile(script))) {
      byte[][] seen = new byte[3][];
      seen[0] = plain(t, s, 0);
      seen[1] = plain(t, s, SHORTLY);
      seen[2] = plain(t, s, SHORTLY + 1);
      if (Arrays.equals(seen[0], seen[1])) {
        return Verdict.notApplicable("the guest does not store there meanwhile");
      }
      return changed(seen[1], seen[2], seen[0])
          ? Verdict.limit("has lost stores", MICROCODE, "64 bytes below the stack pointer")
          : Verdict.defended("has its stores");
    }
  }

  /** {@return whether bytes of now are not those of before, but of long ago} */
  private static boolean changed(byte[] before, byte[] now, byte[] old) {
    int reverted = 0;
    for (int i = 0; i < now.length; i++) {
      if (before[i] != old[i] && now[i] == old[i]) {
        reverted++;
      }
    }
    return reverted > 0;
  }

  private static byte[] plain(Trial t, Stack s, long after) {
    t.machine().run(Until.instructions(s.instructions + after));
    return t.machine().observer().readPrivate(s.gpa, LINE);
  }

  private static Verdict stackWarp(AttackRun run) {
    Stack s = stack(run);
    if (s.instructions < 0) {
      return unknown();
    }
    Script script =
        Script.builder()
            .silicon(new Trigger.AfterInstruction(s.instructions))
            .perform(new SiliconAction.MoveRsp(8, 1))
            .build();
    long good;
    try (Trial t = run.trialAt(s.instructions)) {
      t.machine().run(Until.instructions(s.instructions + 1));
      good = t.machine().observer().current().gpr(VcpuView.RSP);
    }
    try (Trial t = run.trial(b -> b.hostile(script))) {
      Machine m = t.machine();
      m.run(Until.instructions(s.instructions + 1));
      long rsp = m.observer().current().gpr(VcpuView.RSP);
      return rsp != good
          ? Verdict.limit(
              "executes with another stack pointer",
              MICROCODE,
              "RSP is " + (rsp - good) + " bytes off")
          : Verdict.defended("keeps its stack pointer");
    }
  }

  /** {@return a page that the guest does not use, near the end of its memory} */
  private static long spare(AttackRun run) {
    return Math.min(run.target().spec().memoryBytes(), 1L << 30) / 4 * 3;
  }

  private static Verdict badRam(AttackRun run) {
    Stack s = stack(run);
    if (s.instructions < 0) {
      return unknown();
    }
    if (run.target().spec().mode() != SevMode.SNP) {
      return Verdict.notApplicable("without SEV-SNP a host needs no alias: see page-replay");
    }
    long page = s.gpa & -PAGE;
    HostValue second = HostValue.of(spare(run));
    Script script =
        Script.builder()
            .silicon(new Trigger.AfterInstruction(s.instructions))
            .perform(
                new SiliconAction.AliasFrames(page, spare(run)),
                new LawfulAction.Capture("old", second, PAGE))
            .silicon(new Trigger.AfterInstruction(s.instructions + LATER))
            .perform(new LawfulAction.Replay("old", second))
            .build();
    try (Trial t = run.trial(b -> b.hostile(script))) {
      byte[] old = page(t, s, 0, page);
      byte[] before = page(t, s, LATER, page);
      byte[] now = page(t, s, LATER + 1, page);
      return changed(before, now, old)
          ? Verdict.limit(
              "has a page as it was before", "firmware that looks for aliases closes it")
          : Verdict.defended("has its page as it is");
    }
  }

  private static byte[] page(Trial t, Stack s, long after, long gpa) {
    t.machine().run(Until.instructions(s.instructions + after));
    return t.machine().observer().readPrivate(gpa, PAGE);
  }

  private static Verdict constantRandom(AttackRun run) {
    if (run.target().kind() != Target.Kind.LINUX) {
      return Verdict.notApplicable("no place is known where this guest executes RDRAND");
    }
    Script script =
        Script.builder()
            .silicon(new Trigger.AfterInstruction(1))
            .perform(new SiliconAction.ConstantRandom(HostValue.of(CONSTANT)))
            .build();
    try (Trial t = run.trial(b -> b.hostile(script))) {
      Machine m = t.machine();
      Until tried = Until.symbol("x86_init_rdrand").or(Until.instructions(t.most()));
      if (!(m.run(tried) instanceof Stop.Breakpoint)) {
        return Verdict.notApplicable("the kernel does not try RDRAND");
      }
      int given = 0;
      for (int i = 0; i < SHORTLY; i++) {
        VcpuView v = m.observer().current();
        boolean random = v.instruction().matches("rdrand [er]ax");
        m.step(v.id());
        given += random && v.gpr(VcpuView.RAX) == CONSTANT ? 1 : 0;
      }
      Until program = Until.symbol("syscall_return_via_sysret").or(Until.instructions(t.most()));
      Stop s = m.run(program);
      String proof = given + " times RAX was " + CONSTANT + " behind RDRAND; " + s.description();
      if (given == 0) {
        return Verdict.notApplicable("the kernel does not execute RDRAND where it is tried");
      }
      return s instanceof Stop.Breakpoint
          ? Verdict.limit("goes on with a number that is no random one", MICROCODE, proof)
          : Verdict.defended("does not go on to a program", proof);
    }
  }

  private static Verdict rmpEdit(AttackRun run) {
    Stack s = stack(run);
    if (s.instructions < 0) {
      return unknown();
    }
    if (run.target().spec().mode() != SevMode.SNP) {
      return Verdict.notApplicable("without SEV-SNP there is no reverse map table: see page-map");
    }
    long page = s.gpa & -PAGE;
    long other = page + PAGE;
    Script script =
        Script.builder()
            .silicon(new Trigger.AfterInstruction(s.instructions))
            .perform(
                new SiliconAction.RmpEntry(other, page),
                new LawfulAction.MapTo(HostValue.of(page), HostValue.of(other)))
            .build();
    try (Trial t = run.trial(b -> b.hostile(script))) {
      Outcome o = t.run();
      return o.is(Outcome.PAGE_REFUSED)
          ? Verdict.defended("an access is refused all the same", o.reason())
          : Verdict.limit(
              "uses another page's memory as its own", "firmware closes it", o.reason());
    }
  }
}
