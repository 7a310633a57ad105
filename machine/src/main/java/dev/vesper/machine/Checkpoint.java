package dev.vesper.machine;

import dev.vesper.machine.assembly.Kept;

/**
 * A moment of a machine, in memory, that it can be taken back to: see {@link Machine#checkpoint}.
 * It costs copies of the pages that change behind it.
 */
public final class Checkpoint implements AutoCloseable {
  private final Machine machine;
  final Kept kept;

  /** Where the next edge of each vCPU comes from. */
  final int[] edges;

  private final long instructions;
  private final long virtualTime;

  Checkpoint(Machine machine, Kept kept, int[] edges) {
    this.machine = machine;
    this.kept = kept;
    this.edges = edges;
    instructions = machine.instructions();
    virtualTime = machine.virtualTime();
  }

  /** {@return instructions that all vCPUs had executed} */
  public long instructions() {
    return instructions;
  }

  /** {@return virtual time in nanoseconds} */
  public long virtualTime() {
    return virtualTime;
  }

  /** {@return bytes of copies that it has for itself} */
  public long bytes() {
    return kept.bytes();
  }

  /**
   * {@return whether the machine can be taken back to it: it was not let go, and the machine was
   * not taken back to before it}
   */
  public boolean isThere() {
    return kept.isThere();
  }

  boolean isOf(Machine m) {
    return machine == m;
  }

  /** Lets it go: the machine can no longer be taken back to it. */
  @Override
  public void close() {
    kept.forget();
  }
}
