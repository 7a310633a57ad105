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

  /** {@link Mmu#codeMode} that the code was decoded for. */
  final int mode;

  /** {@link Page#codeVersion} when it was decoded: it is stale under any other. */
  final int version;

  Block(Op[] ops, Page page, int mode) {
    this.ops = ops;
    this.page = page;
    this.mode = mode;
    version = page.codeVersion;
    this.transfers = ops[ops.length - 1].setsRip();
  }

  /** {@return whether the bytes that it was decoded from are still there} */
  boolean current() {
    return version == page.codeVersion;
  }

  /** {@return bytes from the first instruction to the end of the last} */
  int span() {
    return ops[ops.length - 1].next - ops[0].offset;
  }
}
