package dev.vesper.machine.observe.flow;

import java.util.List;
import java.util.function.Predicate;

/**
 * What the oracle has found so far.
 *
 * @param findings in the order of their first time
 * @param dropped findings that are not listed, because there are {@link #MOST} already
 * @param exchanges with the host so far
 * @param blurred values whose origins were given up because there were too many: nothing is
 *     reported of the host's ones, private ones have no name
 */
public record FlowReport(List<FlowFinding> findings, long dropped, long exchanges, long blurred) {
  /** Different findings that are kept. */
  public static final int MOST = 10_000;

  /** Keeps a copy of the findings. */
  public FlowReport {
    findings = List.copyOf(findings);
  }

  /** {@return whether there is a finding of a kind that somebody wants to hear of} */
  public boolean any(Predicate<FlowKind> of) {
    return findings.stream().anyMatch(f -> of.test(f.kind()));
  }
}
