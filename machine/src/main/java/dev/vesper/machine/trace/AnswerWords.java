package dev.vesper.machine.trace;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.GuestRequestResult;
import dev.vesper.ghcb.PageStateList;

/** What a hypervisor's answer in the GHCB says, in words. */
final class AnswerWords {
  private static final String[] MALFORMED = {
    "no reason",
    "GHCB not registered",
    "invalid usage",
    "invalid scratch area",
    "missing input",
    "invalid input",
    "invalid event"
  };

  private AnswerWords() {}

  /**
   * {@return the words}
   *
   * @param code SW_EXITCODE of the request
   */
  static String of(int code, GhcbPage p) {
    long info1 = p.get(GhcbField.SW_EXITINFO1);
    long info2 = p.get(GhcbField.SW_EXITINFO2);
    return switch ((int) info1) {
      case 0 -> served(code, info2);
      case 1 -> "asks for exception " + (info2 & 0xFF) + " (0x" + Long.toHexString(info2) + ")";
      case 2 ->
          "malformed request: "
              + (info2 >= 0 && info2 < MALFORMED.length
                  ? MALFORMED[(int) info2]
                  : "reason 0x" + Long.toHexString(info2));
      default -> "SW_EXITINFO1 0x" + Long.toHexString(info1);
    };
  }

  private static String served(int code, long info2) {
    return switch (code) {
      case ExitCode.SNP_PAGE_STATE_CHANGE ->
          info2 == 0 ? "done" : "page state change: " + PageStateList.explain(info2);
      case ExitCode.SNP_GUEST_REQUEST, ExitCode.SNP_EXTENDED_GUEST_REQUEST ->
          info2 == 0 ? "done" : "guest request: " + GuestRequestResult.of(info2);
      default -> "done";
    };
  }
}
