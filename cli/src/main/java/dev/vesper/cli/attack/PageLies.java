package dev.vesper.cli.attack;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.machine.host.Exit;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.spec.Outcome;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Predicate;

/** A host answers requests in a GHCB page otherwise than the standard lets it. */
final class PageLies {
  private static final String STANDARD = "GHCB standard, NAE events";
  private static final String IN = "the guest reads a port, by #VC";
  private static final String RETURNS =
      "the #VC of the IN returns behind it, as if the answer were a good one";
  private static final String NO_IN = "the guest reads no port by #VC";
  private static final long LIE = 0x5A5A_5A5A_5A5A_5A5AL;
  private static final long INPUT = 1;
  private static final long STRING = 4;
  private static final long BYTE = 0x10;

  private PageLies() {}

  static List<Attack> all() {
    return List.of(
        input(
            "answer-malformed",
            "the answer says that the request was malformed, with a value beside it",
            e -> infos(e, 2, 4),
            r -> true),
        input(
            "answer-unknown",
            "SW_EXITINFO1 of the answer is a number that the standard does not have",
            e -> infos(e, 7, 0),
            r -> true),
        input(
            "exception-breakpoint",
            "the answer asks for #BP, which is no exception that a host may ask for",
            e -> infos(e, 1, 0x8000_0303L),
            r -> true),
        input(
            "exception-page-fault",
            "the answer asks for #PF",
            e -> infos(e, 1, 0x8000_0B0EL),
            r -> true),
        input(
            "exception-interrupt",
            "the answer asks for an event of type 0 with the vector of #GP",
            e -> infos(e, 1, 0x8000_000DL),
            r -> true),
        input(
            "exception-not-valid",
            "the answer asks for #GP without the valid bit",
            e -> infos(e, 1, 0x30DL),
            r -> true),
        input(
            "valid-missing",
            "the answer's RAX is not marked valid",
            e -> unmark(e, GhcbField.RAX),
            r -> true),
        input(
            "valid-none", "nothing of the answer is marked valid", PageLies::unmarkAll, r -> true),
        input(
            "page-zeroed",
            "the host zeroes the page instead of answering",
            e -> e.memory().write(e.ghcb(), new byte[GhcbPage.SIZE], 0, GhcbPage.SIZE),
            r -> true),
        input(
            "answer-wide",
            "the answer to a one-byte IN has all 64 bits of RAX",
            e -> e.set(GhcbField.RAX, LIE),
            r -> (r.registers().rax() & ~0xFFL) == (LIE & ~0xFFL)),
        input(
            "answer-other-registers",
            "the answer to IN has values for RBX, RCX and RDX too",
            e -> {
              e.set(GhcbField.RBX, LIE);
              e.set(GhcbField.RCX, LIE);
              e.set(GhcbField.RDX, LIE);
            },
            r ->
                r.registers().rbx() == LIE
                    || r.registers().rcx() == LIE
                    || r.registers().rdx() == LIE),
        Attack.lawful(
            "rdmsr-valid-missing",
            "the answer to RDMSR has no valid RAX and RDX",
            STANDARD,
            "the guest reads an MSR that its host intercepts",
            "the #VC of the RDMSR returns",
            PageLies::rdmsr));
  }

  private static Attack input(
      String name, String title, Consumer<Exit.Event> lie, Predicate<Event.VcReturned> shows) {
    return Attack.lawful(
        name,
        title,
        STANDARD,
        IN,
        RETURNS,
        run -> {
          try (Trial t = run.trial()) {
            t.machine()
                .hypervisor()
                .onEvent(
                    ExitCode.IOIO,
                    (exit, profile) -> {
                      profile.run();
                      if (t.lies() == 0 && isByteIn(exit.request(GhcbField.SW_EXITINFO1))) {
                        lie.accept(exit);
                        t.lied(exit);
                      }
                    });
            Outcome o = t.run();
            return Judge.believed(t, o, NO_IN, shows, "takes the answer");
          }
        });
  }

  private static boolean isByteIn(long info1) {
    return (info1 & (INPUT | STRING | BYTE)) == (INPUT | BYTE);
  }

  private static Verdict rdmsr(AttackRun run) {
    try (Trial t = run.trial()) {
      t.machine()
          .hypervisor()
          .onEvent(
              ExitCode.MSR,
              (exit, profile) -> {
                profile.run();
                if (t.lies() == 0 && exit.request(GhcbField.SW_EXITINFO1) == 0) {
                  unmark(exit, GhcbField.RAX);
                  unmark(exit, GhcbField.RDX);
                  t.lied(exit);
                }
              });
      Outcome o = t.run();
      return Judge.believed(
          t, o, "the guest reads no MSR by #VC", r -> true, "takes what was not answered");
    }
  }

  private static void infos(Exit.Event exit, long info1, long info2) {
    exit.set(GhcbField.SW_EXITINFO1, info1);
    exit.set(GhcbField.SW_EXITINFO2, info2);
  }

  private static void unmark(Exit.Event exit, GhcbField f) {
    long at = exit.ghcb() + GhcbPage.VALID_BITMAP + f.bit() / 8;
    exit.memory().write(at, 1, exit.memory().read(at, 1) & ~(1L << f.bit() % 8));
  }

  private static void unmarkAll(Exit.Event exit) {
    exit.memory().write(exit.ghcb() + GhcbPage.VALID_BITMAP, 8, 0);
    exit.memory().write(exit.ghcb() + GhcbPage.VALID_BITMAP + 8, 8, 0);
  }
}
