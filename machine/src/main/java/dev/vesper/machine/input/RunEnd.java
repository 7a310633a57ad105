package dev.vesper.machine.input;

import org.jspecify.annotations.Nullable;

/**
 * How and where a run has ended.
 *
 * @param cause who has ended it
 * @param point the machine's last point
 * @param instructions that all vCPUs had executed
 * @param inside whether a vCPU was in its turn; of an end from outside
 * @param status of the outcome
 * @param reason of the outcome
 * @param guestValue of the outcome, or -1
 * @param stateHash SHA-256 of the final state, in hex; empty if that is not one that a replay can
 *     stop in
 * @param traceDigest SHA-256 of all events as JSON Lines, in hex; empty if nothing was traced
 */
public record RunEnd(
    Cause cause,
    long point,
    long instructions,
    boolean inside,
    int status,
    String reason,
    int guestValue,
    String stateHash,
    String traceDigest) {
  /** Who ends a run. The order is that of recordings. */
  public enum Cause {
    /** What is in the machine: the guest, its host, or a limit of instructions. */
    MACHINE,
    /** Somebody outside: a signal, a key, an output that takes no more. */
    REQUEST,
    /** Real time is up. */
    TIME,
    /** Nobody: whoever wrote the recording was killed. */
    CUT
  }

  /** {@return the end of a recording that has none, behind its last record} */
  static RunEnd cut(@Nullable InputRecord last, long point, long instructions) {
    InputRecord later = last != null && last.point() > point ? last : null;
    return new RunEnd(
        Cause.CUT,
        later == null ? point : later.point(),
        later == null ? instructions : later.instructions(),
        false,
        0,
        "",
        -1,
        "",
        "");
  }
}
