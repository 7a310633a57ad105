package dev.vesper.cli.attack;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.Machine;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.host.Exit;
import dev.vesper.machine.host.NestedPaging;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;

/** A host writes to private pages, puts back what they were, and maps others in their place. */
final class Tampering {
  private static final String MOVES =
      "Hetzelt and Buhren, VEE 2017; SEVered, EuroSec 2018; CVE-2020-12967";
  private static final String REPLAYS = "SEVurity, S&P 2020; Hetzelt and Buhren, VEE 2017";
  private static final String RADEV =
      "Radev and Morbitzer, ROOTS 2020; Linux 2411cd821123; edk2 85b8eac59b";
  private static final String RUNS = "an ordinary function of the kernel runs";

  /** The level at which memory has an owner who alone can write to it. */
  static final String SNP = "SEV-SNP closes it";

  private static final int PAGE = 4096;
  private static final int BLOCK = 16;
  private static final long LATER = 20_000;

  private Tampering() {}

  static List<Attack> all() {
    return List.of(
        Attack.lawful(
            "page-garbage",
            "a block of a private page is overwritten with bytes of the host's",
            REPLAYS,
            RUNS,
            "the guest's plaintext of the block is another one",
            Tampering::garbage),
        Attack.lawful(
            "page-replay",
            "a private page gets the ciphertext back that it had before",
            REPLAYS,
            RUNS + ", and writes to its stack",
            "the guest's plaintext is what it was before",
            Tampering::replay),
        Attack.lawful(
            "page-map",
            "a private page is mapped to the memory of another one",
            MOVES,
            RUNS,
            "the guest reads the other page's plaintext where its own was",
            Tampering::map),
        Attack.lawful(
            "page-absent",
            "a private page is taken out of nested paging at each access and put back",
            "SEV-Step, CHES 2024; Hetzelt and Buhren, VEE 2017",
            RUNS,
            "the host learns when the guest uses the page, and the guest nothing",
            Tampering::trace),
        Attack.lawful(
            "mmio-routing",
            "the nested entry of a private page says that it is a device's",
            RADEV,
            RUNS + ", and uses its stack",
            "an MMIO exchange sends what the page has, or takes what the host answers",
            Tampering::route));
  }

  /** What it has come to. */
  private interface Look {
    Verdict judge(Trial t, Outcome o);
  }

  /** Runs to a place in the kernel, has the host act there, and goes on. */
  private static Verdict at(AttackRun run, Consumer<Act> host, Look look) {
    long n = Place.KERNEL.find(run);
    if (n < 0) {
      return Verdict.notApplicable("nothing is known of the kernel's places in this guest");
    }
    try (Trial t = run.trialAt(n)) {
      Machine m = t.machine();
      m.hypervisor()
          .at(
              n,
              exit -> {
                VcpuView v = m.observer().vcpu(exit.vcpu());
                long gpa = v.physical(v.gpr(VcpuView.RSP) & -BLOCK);
                if (exit.memory().contains(gpa & -PAGE, 2 * PAGE)) {
                  t.lied(exit);
                  host.accept(new Act(t, exit, gpa));
                }
              });
      Outcome o = t.run();
      return t.lies() == 0
          ? Verdict.notApplicable("the kernel's stack is not in memory there")
          : look.judge(t, o);
    }
  }

  /**
   * The host's turn.
   *
   * @param gpa guest physical address of the kernel's stack
   */
  private record Act(Trial trial, Exit.Appointment exit, long gpa) {
    NestedPaging nested() {
      return trial.machine().hypervisor().nested();
    }
  }

  private static Verdict garbage(AttackRun run) {
    byte[][] block = new byte[2][];
    return at(
        run,
        a -> {
          Machine m = a.trial.machine();
          block[0] = m.observer().readPrivate(a.gpa, BLOCK);
          byte[] bytes = a.exit.memory().bytes(a.gpa, BLOCK);
          bytes[0] ^= 1;
          a.exit.memory().write(a.gpa, bytes, 0, BLOCK);
          block[1] = m.observer().readPrivate(a.gpa, BLOCK);
        },
        (t, o) ->
            Arrays.equals(block[0], block[1])
                ? refused(t, o, "the write changes nothing")
                : Verdict.limit("has garbage in its memory, unknown to it", SNP, o.reason()));
  }

  private static Verdict refused(Trial t, Outcome o, String how) {
    String ending = t.ending(o);
    return Verdict.defended(ending == null ? how : how + "; " + ending, o.reason());
  }

  private static Verdict replay(AttackRun run) {
    byte[][] seen = new byte[3][];
    return at(
        run,
        a -> {
          Machine m = a.trial.machine();
          long page = a.gpa & -PAGE;
          byte[] sealed = a.exit.memory().bytes(page, PAGE);
          seen[0] = m.observer().readPrivate(page, PAGE);
          m.hypervisor()
              .after(
                  a.exit.vcpu(),
                  LATER,
                  later -> {
                    seen[1] = m.observer().readPrivate(page, PAGE);
                    later.memory().write(page, sealed, 0, PAGE);
                    seen[2] = m.observer().readPrivate(page, PAGE);
                  });
        },
        (t, o) -> {
          if (seen[2] == null || Arrays.equals(seen[0], seen[1])) {
            return Verdict.notApplicable("the guest does not write to the page meanwhile");
          }
          return Arrays.equals(seen[2], seen[0])
              ? Verdict.limit("has a page as it was before", SNP, o.reason())
              : refused(t, o, "the write changes nothing");
        });
  }

  private static Verdict map(AttackRun run) {
    byte[][] seen = new byte[2][];
    return at(
        run,
        a -> {
          long page = a.gpa & -PAGE;
          long other = page + PAGE;
          seen[0] = a.trial.machine().observer().readPrivate(other, PAGE);
          a.nested().map(page, other);
        },
        (t, o) -> {
          if (o.is(Outcome.PAGE_REFUSED) || run.target().spec().mode() == SevMode.SNP) {
            return Verdict.defended("the reverse map table refuses the page", o.reason());
          }
          return Verdict.limit("uses another page's memory as its own", SNP, o.reason());
        });
  }

  private static Verdict trace(AttackRun run) {
    AtomicLong uses = new AtomicLong();
    return at(
        run,
        a -> {
          long page = a.gpa & -PAGE;
          NestedPaging n = a.nested();
          n.set(page, NestedPaging.Mapping.ABSENT);
          a.trial
              .machine()
              .hypervisor()
              .onExit(
                  ExitCode.NPF,
                  (exit, profile) -> {
                    if ((exit.info2() & -PAGE) != page) {
                      profile.run();
                      return;
                    }
                    uses.incrementAndGet();
                    n.set(page, NestedPaging.Mapping.PRESENT);
                    if (uses.get() < 100) {
                      a.trial
                          .machine()
                          .hypervisor()
                          .after(exit.vcpu(), 1, e -> n.set(page, NestedPaging.Mapping.ABSENT));
                    }
                  });
        },
        (t, o) ->
            uses.get() == 0
                ? Verdict.defended("the host learns nothing", o.reason())
                : Verdict.limit(
                    "shows its host which pages it uses, instruction by instruction",
                    "no level closes it",
                    uses.get() + " uses of one page counted"));
  }

  private static Verdict route(AttackRun run) {
    long[] exchanges = new long[1];
    return at(
        run,
        a -> {
          a.nested().set(a.gpa & -PAGE, NestedPaging.Mapping.MMIO);
          a.trial
              .machine()
              .hypervisor()
              .onEvents(
                  (exit, profile) -> {
                    if (exit.code() == ExitCode.MMIO_READ || exit.code() == ExitCode.MMIO_WRITE) {
                      exchanges[0]++;
                    }
                    profile.run();
                  });
        },
        (t, o) ->
            exchanges[0] > 0
                ? Verdict.vulnerable("has its memory accessed by the host", exchanges[0] + " times")
                : refused(t, o, "makes no MMIO exchange"));
  }
}
