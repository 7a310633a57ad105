package dev.vesper.machine.input;

import java.util.List;

/**
 * What a recording has, taken apart.
 *
 * @param header what its writer says of the run, a text
 * @param inputs what was given, in the order of their points
 * @param turnDigests 16 bits for each turn, the low byte first, from the first turn on
 * @param looks at registers, in order
 * @param changes of the machine from outside, in order
 * @param end how the run ended; {@link RunEnd.Cause#CUT} if it does not say
 */
public record Recording(
    String header,
    List<InputRecord> inputs,
    byte[] turnDigests,
    List<Look> looks,
    List<InputChange> changes,
    RunEnd end) {

  /**
   * A look at registers.
   *
   * @param point the machine's last point then
   * @param instructions that all vCPUs had executed
   * @param registers what all of them came to
   */
  public record Look(long point, long instructions, long registers) {}

  /** {@return the 16 bits of a turn, or -1 if there are none} */
  int turn(long number) {
    if (number >= turnDigests.length / 2) {
      return -1;
    }
    int at = 2 * (int) number;
    return turnDigests[at] & 0xFF | (turnDigests[at + 1] & 0xFF) << 8;
  }

  /** {@return whether whoever wrote it was killed before the run had ended} */
  public boolean isCut() {
    return end.cause() == RunEnd.Cause.CUT;
  }
}
