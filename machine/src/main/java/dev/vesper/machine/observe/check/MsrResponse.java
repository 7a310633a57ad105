package dev.vesper.machine.observe.check;

import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.observe.Event.MsrExchange;

/** An MSR-protocol exchange, and what the guest makes of the response. */
final class MsrResponse {
  private final MsrExchange event;
  private final long request;
  private final long response;
  private final Findings findings;
  private boolean read;
  private boolean compared;

  MsrResponse(MsrExchange event, Findings findings) {
    this.event = event;
    this.findings = findings;
    request = event.request();
    response = event.response();
  }

  /** {@return the response code of a request code} Requests are even, their responses odd. */
  private static int expected(int info) {
    return info == MsrRequest.SEV_INFO_REQ ? MsrRequest.SEV_INFO : info | 1;
  }

  private boolean wrong() {
    return MsrRequest.info(response) != expected(MsrRequest.info(request));
  }

  /** {@return whether the guest must look at it: AP reset hold has nothing to say} */
  private boolean matters() {
    int info = MsrRequest.info(request);
    return info != MsrRequest.AP_RESET_HOLD_REQ && info != MsrRequest.TERM_REQ;
  }

  /** The hypervisor's side. */
  void checkHost() {
    int info = MsrRequest.info(request);
    if (info == MsrRequest.TERM_REQ || event.ended() != null) {
      return;
    }
    boolean known =
        switch (info) {
          case MsrRequest.SEV_INFO_REQ,
              MsrRequest.CPUID_REQ,
              MsrRequest.AP_RESET_HOLD_REQ,
              MsrRequest.PREFERRED_GHCB_REQ,
              MsrRequest.REGISTER_GHCB_REQ,
              MsrRequest.HV_FEATURES_REQ ->
              true;
          default -> false;
        };
    boolean echo =
        info != MsrRequest.CPUID_REQ || (request & 0xC000_0000L) == (response & 0xFFFF_F000L);
    if (known && (wrong() || !echo)) {
      findings.add(
          Rule.HOST_MSR_RESPONSE,
          event.at(),
          event.vc(),
          () ->
              "the response to "
                  + MsrRequest.explain(request)
                  + " is 0x"
                  + Long.toHexString(response)
                  + "; its code must be 0x"
                  + Integer.toHexString(expected(info))
                  + (echo ? "" : ", bits 31:30 those of the request and bits 29:12 zero"));
    }
  }

  /** {@return the GHCB address that is registered, or -1} */
  long registeredGhcb() {
    return MsrRequest.info(request) == MsrRequest.REGISTER_GHCB_REQ
            && response == (request & ~0xFFFL | MsrRequest.REGISTER_GHCB_RESP)
        ? request & ~0xFFFL
        : -1;
  }

  /** {@return the GHCB address whose registration was refused, or -1} */
  long refusedGhcb() {
    return MsrRequest.info(request) == MsrRequest.REGISTER_GHCB_REQ
            && MsrRequest.info(response) == MsrRequest.REGISTER_GHCB_RESP
            && response >>> 12 != request >>> 12
        ? request & ~0xFFFL
        : -1;
  }

  void read() {
    read = true;
  }

  boolean isRead() {
    return read;
  }

  void compare() {
    compared = true;
  }

  /**
   * The guest has gone on.
   *
   * @param terminates with a termination request
   */
  void close(boolean terminates) {
    if (!matters()) {
      return;
    }
    String what = "the response to " + MsrRequest.explain(request);
    long vc = event.vc();
    if (!read) {
      findings.add(Rule.MSR_RESPONSE_UNREAD, event.at(), vc, () -> what + " is never read");
    } else if (!compared) {
      findings.add(
          Rule.MSR_RESPONSE_UNCHECKED,
          event.at(),
          vc,
          () -> what + " is read, but its code is compared with nothing");
    }
    if (wrong() && !terminates) {
      findings.add(
          Rule.MSR_RESPONSE_IGNORED,
          event.at(),
          vc,
          () ->
              what
                  + " has the code 0x"
                  + Integer.toHexString(MsrRequest.info(response))
                  + " and the guest goes on");
    }
  }
}
