package dev.vesper.cli.monitor;

import dev.vesper.machine.Board;
import dev.vesper.machine.spec.Outcome;

/** Why a run has ended, in the words of QEMU's ShutdownCause. */
final class Shutdown {
  /** Statuses of who was ended by a signal are above. */
  private static final int SIGNALS = 128;

  /** What commands of ours have a run end with begins so. */
  static final String BY_COMMAND = "ended by a command: ";

  private Shutdown() {}

  /** {@return the cause} */
  static String cause(Outcome o) {
    if (o.guestValue() != null) {
      return "guest-shutdown";
    }
    if (o.reason().startsWith(Board.RESET)) {
      return "host-qmp-system-reset";
    }
    return switch (o.status()) {
      case Outcome.POWER_OFF -> o.reason().contains("reset") ? "guest-reset" : "guest-shutdown";
      case Outcome.SHUTDOWN, Outcome.WATCHDOG -> "guest-reset";
      case Outcome.GUEST_TERMINATED, Outcome.GAVE_UP, Outcome.PAGE_REFUSED -> "guest-panic";
      case Outcome.QUIT -> o.reason().startsWith(BY_COMMAND) ? "host-qmp-quit" : "host-ui";
      default -> o.status() > SIGNALS ? "host-signal" : "host-error";
    };
  }
}
