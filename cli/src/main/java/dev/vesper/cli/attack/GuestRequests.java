package dev.vesper.cli.attack;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.guest.ServiceModule;
import dev.vesper.machine.Stop;
import dev.vesper.machine.host.Answer;
import dev.vesper.machine.host.Exit;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpLaunch;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** A host that carries messages to the secure processor and back again loses or repeats them. */
final class GuestRequests {
  private static final String NEEDS =
      "SEV-SNP; three reports are asked for: the reference guest asks its service module";

  private static final int PAGE = 4096;

  /** Where a message has its number. */
  private static final int SEQUENCE = 0x20;

  private static final long BUSY = 2L << 32;

  private static final String MAIN =
      """
      call page_alloc
      mov rbx, rax
      call page_alloc
      mov r12d, 3
      mov r13, scratch
      ask:
      mov rdi, rbx
      mov rsi, rbx
      lea rdx, [rbx+NBPG]
      mov rcx, [gs:CI_CAA_VADDR]
      call attest_operation
      mov rax, SVSM_ATTEST_SERVICES
      mov rcx, [gs:CI_CAA_PADDR]
      add rcx, 8
      call svsm_call
      mov [r13], rax
      add r13, 8
      dec r12d
      jne ask
      """;

  private GuestRequests() {}

  static List<Attack> all() {
    return List.of(
        Attack.lawful(
            "guest-request-replay",
            "an answer of the secure processor is given again for the next message",
            "SEV-SNP firmware ABI, guest messages; Linux 47894e0fa6a5",
            NEEDS,
            "the guest takes the answer",
            GuestRequests::replay),
        Attack.lawful(
            "guest-request-drop",
            "an answer of the secure processor is dropped, and its host said to be busy",
            "Linux 47894e0fa6a5",
            NEEDS,
            "two messages that differ are sealed with the same number",
            GuestRequests::drop));
  }

  /** Carries it out. */
  private static Verdict run(
      AttackRun run, Answer<Exit.Event> host, Function<Trial, Verdict> judge) {
    if (run.target().kind() != Target.Kind.LOCORE) {
      return Verdict.notApplicable("nothing in this guest sends messages to the secure processor");
    }
    if (run.target().spec().mode() != SevMode.SNP) {
      return Verdict.notApplicable("messages to the secure processor are SEV-SNP's");
    }
    SnpLaunch served = SnpLaunch.DEFAULT.withService(ServiceModule.image());
    try (Trial t = MadeGuests.trial(run, MAIN, b -> b.snp(served))) {
      t.machine().hypervisor().onEvent(ExitCode.SNP_GUEST_REQUEST, host);
      Stop s = t.machine().run(MadeGuests.end());
      if (!(s instanceof Stop.Breakpoint)) {
        String ending = s instanceof Stop.Ended e ? t.ending(e.outcome()) : null;
        return Verdict.defended(ending != null ? ending : "does not go on", s.description());
      }
      return judge.apply(t);
    }
  }

  private static Verdict replay(AttackRun run) {
    byte[][] first = new byte[1][];
    int[] asked = {0};
    return run(
        run,
        (exit, profile) -> {
          long response = exit.request(GhcbField.SW_EXITINFO2);
          profile.run();
          asked[0]++;
          if (first[0] == null) {
            first[0] = exit.memory().bytes(response, PAGE);
          } else {
            exit.memory().write(response, first[0], 0, PAGE);
          }
        },
        t -> {
          List<Long> results = MadeGuests.kept(t.machine(), 3);
          String proof =
              asked[0]
                  + " messages; the calls gave "
                  + results.stream().map(Long::toHexString).toList();
          if (results.get(0) != 0) {
            return Verdict.notApplicable("not even the first report is given");
          }
          return results.get(1) == 0
              ? Verdict.vulnerable("takes an answer twice", proof)
              : asked[0] == 2
                  ? Verdict.defended("refuses the answer, and never uses the key again", proof)
                  : Verdict.defended("refuses the answer", proof);
        });
  }

  private static Verdict drop(AttackRun run) {
    Map<Long, byte[]> messages = new HashMap<>();
    boolean[] twice = {false};
    int[] asked = {0};
    return run(
        run,
        (exit, profile) -> {
          long request = exit.request(GhcbField.SW_EXITINFO1);
          byte[] message = exit.memory().bytes(request, PAGE);
          byte[] before = messages.put(exit.memory().read(request + SEQUENCE, 8), message);
          twice[0] |= before != null && !Arrays.equals(before, message);
          profile.run();
          if (asked[0]++ == 0) {
            exit.memory().write(exit.request(GhcbField.SW_EXITINFO2), new byte[PAGE], 0, PAGE);
            exit.set(GhcbField.SW_EXITINFO1, 0);
            exit.set(GhcbField.SW_EXITINFO2, BUSY);
          }
        },
        t -> {
          String proof = asked[0] + " messages with " + messages.size() + " numbers";
          return twice[0]
              ? Verdict.vulnerable("seals two messages with the same number", proof)
              : Verdict.defended("sends the same message again, and no other", proof);
        });
  }
}
