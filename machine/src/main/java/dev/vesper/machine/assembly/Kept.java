package dev.vesper.machine.assembly;

import dev.vesper.machine.memory.MemoryMoments;
import dev.vesper.machine.state.StateImage;
import dev.vesper.machine.state.StateReader;
import dev.vesper.machine.state.StateWriter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A machine as it was at one moment: what it takes for the same future. Memory is kept by what
 * changes in it from then on, all other state by copies.
 */
public final class Kept {
  private final MemoryMoments memory;
  private final MemoryMoments.Moment moment;
  private final StateImage state;

  private Kept(MemoryMoments memory, MemoryMoments.Moment moment, StateImage state) {
    this.memory = memory;
    this.moment = moment;
    this.state = state;
  }

  /**
   * {@return the machine as it is now, between runs}
   *
   * @param roots where its state is found from
   * @param before an earlier moment, with which is shared what has not changed, or null
   */
  public static Kept now(Assembly parts, List<?> roots, @Nullable Kept before) {
    MemoryMoments memory = parts.memory.moments();
    // Bytes that were promised are written now, by processors, and so come before their state.
    MemoryMoments.Moment m = memory.mark();
    return new Kept(memory, m, StateImage.of(roots, before == null ? null : before.state));
  }

  /**
   * Has the machine be as it was. Later moments are no more.
   *
   * @throws IllegalArgumentException if this moment is no more
   */
  public void restore() {
    memory.back(moment);
    state.restore();
  }

  /** {@return all state but memory's, as {@link #read} takes it} */
  public byte[] state() {
    return StateWriter.write(state);
  }

  /**
   * Gives a machine all state but memory's, which it has already.
   *
   * @throws dev.vesper.machine.foreign.Damaged if it is none of a machine like this
   */
  public static void read(List<?> roots, byte[] state) {
    StateReader.read(state, roots);
  }

  /** {@return whether the machine can be had be as it was} */
  public boolean isThere() {
    return memory.has(moment);
  }

  /** Lets the moment go, which then costs nothing. */
  public void forget() {
    memory.forget(moment);
  }

  /** {@return bytes of memory that changed behind it, up to the next moment} */
  public long bytes() {
    return moment.bytes();
  }
}
