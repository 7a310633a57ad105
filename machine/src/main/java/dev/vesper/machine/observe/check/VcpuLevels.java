package dev.vesper.machine.observe.check;

import dev.vesper.ghcb.ApCreation;
import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.observe.Event.AutomaticExit;
import dev.vesper.machine.observe.Event.GhcbExchange;
import dev.vesper.machine.observe.Event.MsrExchange;
import org.jspecify.annotations.Nullable;

/**
 * What the checker knows about one vCPU at each VMPL: a level has its own handler, its own GHCB,
 * and goes on where it was when it runs again. Guests without SEV-SNP, and most with it, have level
 * 0 alone.
 */
final class VcpuLevels {
  private static final int LEVELS = 4;
  private static final int REFLECTED_VC = ExitCode.EXCP0 + 29;

  private final @Nullable VcpuState[] states = new VcpuState[LEVELS];
  private int level;

  /** The level that runs when the request that is being served is answered. */
  private int next;

  /** {@return what is known at the level that runs} */
  VcpuState current() {
    VcpuState s = states[level];
    if (s == null) {
      s = new VcpuState();
      states[level] = s;
    }
    return s;
  }

  /** {@return the level that runs} */
  int level() {
    return level;
  }

  /** Another level runs from now on; a trace may name levels that there are not. */
  private void run(long other) {
    if (other >= 0 && other < LEVELS) {
      next = (int) other;
      level = next;
    }
  }

  /** The guest may have asked for another level. */
  void exchange(GhcbExchange x) {
    level = next;
    if (x.exit() == ExitCode.SNP_RUN_VMPL && x.status() == 0 && x.ended() == null) {
      run(x.request().get(GhcbField.SW_EXITINFO1));
    }
  }

  /** The guest may have asked for another level. */
  void exchange(MsrExchange e) {
    if (MsrRequest.info(e.request()) == MsrRequest.RUN_VMPL_REQ
        && e.response() == MsrRequest.result(MsrRequest.RUN_VMPL_RESP, 0)) {
      run(e.request() >>> 32 & 0xFF);
    }
  }

  /**
   * A #VC that is reflected is served by the next more privileged level that there is, which runs
   * instead of one whose save area is busy too, and takes interrupts that one cannot.
   */
  void exit(AutomaticExit e) {
    if (e.exit() != REFLECTED_VC && e.exit() != ExitCode.BUSY && e.exit() != ExitCode.INTR) {
      return;
    }
    for (int other = level - 1; other >= 0; other--) {
      if (states[other] != null) {
        run(other);
        return;
      }
    }
  }

  /**
   * The vCPU is given a save area: one that is to run at once says the level.
   *
   * @param asker it has asked for that itself, and the answer is still its level's
   */
  void created(ApCreation asked, boolean asker) {
    int running = level;
    if (asked.request() == ApCreation.CREATE) {
      run(asked.vmpl());
    }
    if (asker) {
      level = running;
    }
  }
}
