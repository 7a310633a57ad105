package dev.vesper.machine.cpu;

import dev.vesper.machine.memory.Page;
import org.jspecify.annotations.Nullable;

/** Straight-line code inside one physical page, or one instruction that crosses into a second. */
public final class Block {
  public final Op[] ops;

  /** The last operation sets RIP. */
  public final boolean transfers;

  public final Page page;

  /** The page that the only instruction runs on into, or null. */
  public @Nullable Page second;

  int secondVersion;

  /** How often it was executed by the interpreter. */
  public int count;

  /** The region that begins here. */
  @Nullable Region region;

  /** How often it became the beginning of a region. */
  int translations;

  /** {@link Mmu#codeMode} that the code was decoded for. */
  public final int mode;

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
  public boolean current() {
    return version == page.codeVersion;
  }

  /** {@return whether a region begins here} */
  public boolean isHead() {
    return region != null;
  }

  /** {@return bytes from the first instruction to the end of the last} */
  int span() {
    return ops[ops.length - 1].next - ops[0].offset;
  }
}
