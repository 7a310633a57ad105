package dev.vesper.machine.cpu;

import dev.vesper.machine.memory.Page;
import org.jspecify.annotations.Nullable;

/** Makes native code of blocks and runs it. */
public interface NativeTier {
  /**
   * {@return what is known of the block that begins somewhere in a page, or null if it must be
   * decoded}
   *
   * @param mode {@link Mmu#codeMode} that its code is for
   * @param kind the TLB of data that its native code will look into
   */
  @Nullable KnownBlock known(Page page, int start, int mode, int kind);

  /**
   * {@return native code of a block, or null if there is no room left} In that case everything made
   * before is forgotten, and asking again makes it.
   */
  @Nullable NativeBlock translate(Block block, int kind);

  /**
   * {@return whether the current thread can run native code, which it is prepared for} A virtual
   * thread cannot: what native code finds its state by belongs to the thread that carries it.
   *
   * @param state address of the processor's state block
   */
  boolean admits(long state);

  /** Has code count edges, or no longer. What was made otherwise is forgotten. */
  void cover(boolean on);

  /** {@return the code of a number} */
  NativeBlock block(int number);

  /**
   * Runs native code.
   *
   * @param cpu registers are taken from it and put back
   * @param state address of its state block
   * @param target where to enter
   * @param vectors whether vector registers are to be loaded before
   * @return why it was left, below the code's number shifted left by 8
   */
  int enter(Cpu cpu, long state, long target, boolean vectors);

  /** Lets a direct jump go to a block of the same page, unless its code has been forgotten. */
  void link(NativeBlock from, int jump, NativeBlock to);

  /**
   * {@return a number that changes when all code is forgotten, and is never 0 nor another tier's}
   */
  int generation();
}
