package dev.vesper.machine.cpu;

import dev.vesper.machine.memory.Page;
import org.jspecify.annotations.Nullable;

/** Straight-line code inside one physical page, or one instruction that crosses into a second. */
public final class Block {
  final Op[] ops;

  /** The last operation sets RIP. */
  final boolean transfers;

  final Page page;

  /** The page that the only instruction runs on into, or null. */
  @Nullable Page second;

  int secondVersion;

  Block(Op[] ops, Page page) {
    this.ops = ops;
    this.page = page;
    this.transfers = ops[ops.length - 1].setsRip();
  }

  /** {@return bytes from the first instruction to the end of the last} */
  int span() {
    return ops[ops.length - 1].next - ops[0].offset;
  }
}
