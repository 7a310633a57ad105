package dev.vesper.machine.cpu;

import org.jspecify.annotations.Nullable;

/** Makes regions of hot code. */
public interface Translator {
  /**
   * {@return a region that begins with a block, or null if there is none worth its while}
   *
   * @param head a block that the processor is about to execute, at its RIP
   * @param onePage whether to stay in its page, because code of others keeps changing
   */
  @Nullable Region translate(Cpu cpu, Block head, boolean onePage);

  /** {@return how often a block is interpreted before it is translated} */
  int threshold();
}
