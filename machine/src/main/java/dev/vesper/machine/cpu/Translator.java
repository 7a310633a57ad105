package dev.vesper.machine.cpu;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** Makes regions of hot code. */
public interface Translator {
  /** What a region will consist of. */
  interface Plan {
    /** {@return its blocks, the head first} */
    List<Block> blocks();

    /** {@return the region, or null if none can be made} */
    @Nullable Region region();
  }

  /**
   * {@return the region that could begin with a block}
   *
   * @param head a block that the processor is about to execute, at its RIP
   * @param onePage whether to stay in its page, because code of others keeps changing
   */
  Plan plan(Cpu cpu, Block head, boolean onePage);

  /**
   * {@return how often a block is interpreted before it may be translated, and how many
   * instructions the interpreter must have executed for each of a region}
   */
  int threshold();
}
