package dev.vesper.cli.attack;

import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.spec.Outcome;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/** A host starts a second processor when nobody has asked for it, or does not start it. */
final class SecondProcessor {
  private static final String SOURCE = "GHCB standard, AP reset hold; edk2 10873";
  private static final String NEEDS = "a machine with two processors";
  private static final String ORACLE =
      "the guest's end is another one than without the attack, and not by its own wish";
  private static final int VECTOR = 7;
  private static final int EVER = 1 << 20;
  private static final long FIRST = 1_000;
  private static final long SLICE = 100_000;

  private SecondProcessor() {}

  static List<Attack> all() {
    return List.of(
        attack(
            "ap-early",
            "a second processor is started before the guest has asked for it",
            (run, t) -> t.machine().hypervisor().at(early(run), e -> start(t))),
        attack(
            "ap-twice", "a second processor is started again while it runs", (run, t) -> again(t)),
        attack(
            "ap-never",
            "a second processor is not started, whoever asks",
            (run, t) -> t.machine().hypervisor().platform().skipStartups(1, EVER)));
  }

  private static Attack attack(String name, String title, BiConsumer<AttackRun, Trial> host) {
    return Attack.lawful(
        name, title, SOURCE, NEEDS, ORACLE, run -> carryOut(run, t -> host.accept(run, t)));
  }

  private static void start(Trial t) {
    t.machine().hypervisor().platform().startup(1, VECTOR);
  }

  /** {@return a place before the guest asks for processors} */
  private static long early(AttackRun run) {
    return switch (run.target().kind()) {
      case LOCORE -> run.instructionsAt("mp_start", (r, m) -> comes(r, m, "mp_start"));
      case LINUX -> Place.KERNEL.find(run);
      case OTHER -> FIRST;
    };
  }

  private static boolean comes(AttackRun run, Machine m, String symbol) {
    return m.run(Until.symbol(symbol).or(Until.instructions(run.target().most())))
        instanceof Stop.Breakpoint;
  }

  /** Starts it again when it has been started. */
  private static void again(Trial t) {
    Machine m = t.machine();
    long next = SLICE;
    while (m.observer().vcpu(1).instructions() == 0
        && m.run(Until.instructions(next)) instanceof Stop.Limit
        && m.instructions() < t.most()) {
      next += SLICE;
    }
    if (m.observer().vcpu(1).instructions() > 0) {
      start(t);
    }
  }

  private static Verdict carryOut(AttackRun run, Consumer<Trial> host) {
    if (!run.target().spec().profile().equals("kvm")) {
      return Verdict.notApplicable("the profile has one processor");
    }
    Outcome good;
    try (Trial t = run.trial(b -> b.processors(2))) {
      good = t.run();
    }
    try (Trial t = run.trial(b -> b.processors(2))) {
      host.accept(t);
      Outcome o = t.run();
      String proof =
          "the second processor has executed "
              + t.machine().observer().vcpu(1).instructions()
              + " instructions; "
              + o.reason();
      String ending = t.ending(o);
      if (o.equals(good)) {
        return Verdict.defended("goes on as untouched", proof);
      }
      return ending != null
          ? Verdict.defended(ending, proof)
          : Verdict.denied("does not come to the end that it had", proof);
    }
  }
}
