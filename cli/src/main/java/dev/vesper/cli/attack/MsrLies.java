package dev.vesper.cli.attack;

import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.host.Exit;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.util.List;
import java.util.Set;
import java.util.function.ToLongFunction;

/** A host answers the GHCB MSR protocol otherwise than the standard lets it. */
final class MsrLies {
  private static final String STANDARD = "GHCB standard, MSR protocol";
  private static final String USES = "the guest uses the request";
  private static final String GOES_ON =
      "the #VC returns, or the guest goes on, instead of asking to be ended";
  private static final String BELIEVED = "takes the response";

  private static final Set<Integer> SNP_ALONE =
      Set.of(
          MsrRequest.REGISTER_GHCB_REQ, MsrRequest.SNP_PAGE_STATE_REQ, MsrRequest.HV_FEATURES_REQ);

  private MsrLies() {}

  static List<Attack> all() {
    return List.of(
        lie(
            "msr-code",
            "the response to a CPUID request has the code of another one",
            MsrRequest.CPUID_REQ,
            e -> e.response() & ~0xFFFL | MsrRequest.SEV_INFO),
        lie(
            "msr-reserved",
            "reserved bits of the response to a CPUID request are set",
            MsrRequest.CPUID_REQ,
            e -> e.response() | 0x3FFF_F000L),
        lie(
            "msr-silent",
            "a CPUID request is not answered: the MSR keeps it",
            MsrRequest.CPUID_REQ,
            Exit.Msr::request),
        lie(
            "msr-info-silent",
            "the request for protocol versions is not answered",
            MsrRequest.SEV_INFO_REQ,
            Exit.Msr::request),
        lie(
            "msr-info-code",
            "the response with protocol versions has another code",
            MsrRequest.SEV_INFO_REQ,
            e -> e.response() & ~0xFFFL | MsrRequest.CPUID_RESP),
        lie(
            "msr-versions-new",
            "the host says that it knows no protocol version below 1000",
            MsrRequest.SEV_INFO_REQ,
            e -> e.response() & 0xFFFF_FFFFL | 1000L << 32 | 2000L << 48),
        lie(
            "msr-versions-none",
            "the host says that it knows protocol version 0 alone",
            MsrRequest.SEV_INFO_REQ,
            e -> e.response() & 0xFFFF_FFFFL),
        lie(
            "msr-register-other",
            "another GHCB than the guest's is confirmed as registered",
            MsrRequest.REGISTER_GHCB_REQ,
            e -> e.response() + 0x1000),
        lie(
            "msr-register-refused",
            "the registration of the GHCB is refused",
            MsrRequest.REGISTER_GHCB_REQ,
            e -> -1L << 12 | MsrRequest.REGISTER_GHCB_RESP),
        lie(
            "msr-page-state",
            "a page state change by the MSR is said to have failed",
            MsrRequest.SNP_PAGE_STATE_REQ,
            e -> 1L << 32 | MsrRequest.SNP_PAGE_STATE_RESP),
        lie(
            "msr-features",
            "the host says that it has no feature of SEV-SNP",
            MsrRequest.HV_FEATURES_REQ,
            e -> MsrRequest.HV_FEATURES_RESP),
        Attack.lawful(
            "terminate-ignored",
            "the host runs a guest on that has asked to be ended",
            STANDARD + ", termination request",
            "the guest asks to be ended when a response has a wrong code",
            "an exchange other than a further request to be ended",
            MsrLies::ignore));
  }

  private static Attack lie(String name, String title, int request, ToLongFunction<Exit.Msr> lie) {
    return Attack.lawful(
        name,
        title,
        STANDARD,
        USES,
        GOES_ON,
        run -> {
          if (SNP_ALONE.contains(request) && run.target().spec().mode() != SevMode.SNP) {
            return Verdict.notApplicable("the request is one of SEV-SNP");
          }
          try (Trial t = run.trial()) {
            t.machine()
                .hypervisor()
                .onMsr(
                    request,
                    (exit, profile) -> {
                      profile.run();
                      exit.respond(lie.applyAsLong(exit));
                      t.lied(exit);
                    });
            Outcome o = t.run();
            return Judge.believed(t, o, "the guest does not use the request", r -> true, BELIEVED);
          }
        });
  }

  private static Verdict ignore(AttackRun run) {
    try (Trial t = run.trial()) {
      t.machine()
          .hypervisor()
          .onMsr(
              MsrRequest.CPUID_REQ,
              (exit, profile) -> {
                profile.run();
                exit.respond(MsrRequest.SEV_INFO);
              });
      t.machine()
          .hypervisor()
          .onMsr(
              MsrRequest.TERM_REQ,
              (exit, profile) -> {
                exit.respond(MsrRequest.SEV_INFO);
                t.lied(exit);
              });
      Outcome o = t.run();
      if (t.lies() == 0) {
        return Verdict.notApplicable("the guest does not ask to be ended");
      }
      return t.exchanges() == 0 && t.returned() == null
          ? Verdict.defended("does nothing more", o.reason())
          : Verdict.vulnerable("goes on", t.exchanges() + " exchanges later: " + o.reason());
    }
  }
}
