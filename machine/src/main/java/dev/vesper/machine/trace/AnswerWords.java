package dev.vesper.machine.trace;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;

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

  static String of(GhcbPage p) {
    long info1 = p.get(GhcbField.SW_EXITINFO1);
    long info2 = p.get(GhcbField.SW_EXITINFO2);
    return switch ((int) info1) {
      case 0 -> "done";
      case 1 -> "asks for exception " + (info2 & 0xFF) + " (0x" + Long.toHexString(info2) + ")";
      case 2 ->
          "malformed request: "
              + (info2 >= 0 && info2 < MALFORMED.length
                  ? MALFORMED[(int) info2]
                  : "reason 0x" + Long.toHexString(info2));
      default -> "SW_EXITINFO1 0x" + Long.toHexString(info1);
    };
  }
}
