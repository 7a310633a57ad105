package dev.vesper.fuzz;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What has become of one execution.
 *
 * @param end how it has ended, in a line
 * @param limited whether its instructions were used up
 * @param instructions that were executed
 * @param edges bits of buckets for each edge; valid until the next execution
 * @param finding how the guest has failed, or null
 * @param others what the oracles have found that were asked for, and the untouched guest does not
 *     do
 */
record Execution(
    String end,
    boolean limited,
    long instructions,
    byte[] edges,
    @Nullable Finding finding,
    List<Finding> others) {
  /** {@return what has a signature, or null} */
  @Nullable Finding withSignature(String signature) {
    for (Finding f : others) {
      if (f.signature().equals(signature)) {
        return f;
      }
    }
    return finding != null && finding.signature().equals(signature) ? finding : null;
  }
}
