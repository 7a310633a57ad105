package dev.vesper.machine.observe.flow;

import java.util.List;

/**
 * One kind of flow at one instruction from one origin, however often it came.
 *
 * @param kind what has happened
 * @param vcpu of the first time
 * @param instructions that this vCPU had executed the first time
 * @param exchange number of the exchange with the host, from 1, that the value came by, or for a
 *     leak that it would go by; 0 if it came or went by none
 * @param at the instruction: of a leak the store, of a value of the host's its use
 * @param origin where the value comes from: a symbol, a page, a field of an answer
 * @param sink where it has gone: a field of the GHCB, a shared page, the operand
 * @param count how often
 * @param path the last instructions that the value has passed, the oldest first; of the host's
 *     values alone
 */
public record FlowFinding(
    FlowKind kind,
    int vcpu,
    long instructions,
    long exchange,
    FlowStep at,
    String origin,
    String sink,
    long count,
    List<FlowStep> path) {
  /** Keeps a copy of the path. */
  public FlowFinding {
    path = List.copyOf(path);
  }
}
