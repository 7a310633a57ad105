package dev.vesper.machine.cpu;

import dev.vesper.machine.memory.Page;

/**
 * Hot guest code as one JVM method: some blocks with the jumps between them. The translator makes a
 * subclass for each; the run loop enters it at its first block.
 *
 * <p>What it does is bit for bit what the interpreter does with the same blocks, instruction count
 * included. Whatever it cannot finish, it gives back: the registers as they are before an
 * instruction, and which one.
 */
public abstract class Region {
  /** Result of {@link #run}: RIP and the instruction count are set, look for the next block. */
  protected static final int DISPATCH = -1;

  /** Result of {@link #run}: the same, and code that the region was made of is no longer there. */
  protected static final int STALE = -2;

  /** Blocks have at most this many instructions, so that an index fits below the block's number. */
  static final int INDEX_BITS = 6;

  /** What one takes at most: its class, and what HotSpot makes of it. */
  static final long BYTES = 48 << 10;

  private static final int SAMPLE = 8;
  private static final int COMPILED_NANOS = 20;

  private Block[] blocks = {};

  /** The pages that blocks lie in, the first block's first. */
  private Page[] pages = {};

  private int[] versions = {};

  /** Distance of each page's linear address from the first one's. */
  private long[] distances = {};

  /** Instructions that a pass without a look at the budget may execute. */
  private int need;

  /** Offset behind the last byte of code in the first page. */
  private int end;

  private boolean stack32;

  private boolean covers;

  /** How often it was entered. */
  long entries;

  /** The same when somebody last asked. */
  private long seen;

  /** The operations of each block, for those that are executed by their own method. */
  protected Op[][] ops = {};

  /**
   * Executes until the budget is low or something comes that is not translated.
   *
   * @param budget instructions that may be executed; with less than {@link #need} nothing is done
   * @return {@link #DISPATCH}, {@link #STALE}, or the number of a block shifted left by {@link
   *     #INDEX_BITS} and the index of the operation that the interpreter must go on with; the
   *     instruction count is then that of the block's start
   */
  public abstract int run(Cpu c, int budget);

  /**
   * Says what the region was made of.
   *
   * @param chosen its blocks, the entry first
   * @param distance of each block's page from the entry's, in bytes of linear address
   * @param stack whether it moves a 32-bit stack pointer without looking at SS
   * @param counts whether it counts edges
   */
  public final void describe(Block[] chosen, long[] distance, boolean stack, boolean counts) {
    blocks = chosen;
    stack32 = stack;
    covers = counts;
    ops = new Op[chosen.length][];
    pages = new Page[chosen.length];
    versions = new int[chosen.length];
    distances = distance.clone();
    for (int i = 0; i < chosen.length; i++) {
      Block b = chosen[i];
      ops[i] = b.ops();
      pages[i] = b.page;
      versions[i] = b.page.codeVersion;
      need += b.length();
      if (distance[i] == 0) {
        end = Math.max(end, b.ops()[b.length() - 1].next);
      }
    }
  }

  /**
   * {@return whether HotSpot has compiled the region} Its byte-code interpreter is slower than our
   * own, so that a region is entered only when this is so. Asking makes HotSpot compile: it counts
   * calls. How long a call takes that does nothing tells what runs it.
   *
   * @param calls how often to call
   */
  final boolean compiled(Cpu c, int calls) {
    for (int i = 0; i < calls; i++) {
      run(c, 0);
    }
    long start = System.nanoTime();
    for (int i = 0; i < SAMPLE; i++) {
      run(c, 0);
    }
    return System.nanoTime() - start < SAMPLE * COMPILED_NANOS;
  }

  /** Counts what its blocks were interpreted as spent on it, or takes that back. */
  final void account(boolean spent) {
    for (Block b : blocks) {
      b.accounted = spent ? b.count : 0;
    }
  }

  /** Adds how often it was entered since the last time to the use of each page that it is from. */
  final void countUse() {
    for (Page p : pages) {
      if (p.code instanceof CodePage c) {
        c.use += entries - seen;
      }
    }
    seen = entries;
  }

  /** {@return whether all code that it was made of is still there} */
  final boolean current() {
    for (Block b : blocks) {
      if (!b.current()) {
        return false;
      }
    }
    return true;
  }

  final Block block(int i) {
    return blocks[i];
  }

  /** {@return whether it counts edges} */
  final boolean covers() {
    return covers;
  }

  final int need() {
    return need;
  }

  /**
   * {@return whether the region may be entered: legacy code must lie inside its segment, and a
   * stack that it moves must be as wide as it assumes}
   */
  final boolean fits(Cpu c) {
    if (c.mode64()) {
      return true;
    }
    long base = c.r[CpuState.PAGE];
    long last = base + end - 1;
    return base >= 0
        && last <= c.segLimit[CpuState.CS]
        && last <= (c.codeBits() == 16 ? 0xFFFF : 0xFFFF_FFFFL)
        && (!stack32 || c.stackMask() == 0xFFFF_FFFFL);
  }

  /**
   * Goes from one page to another.
   *
   * @param i a block in the page to go to
   * @param entry linear address of the entry's page
   * @return false if the TLB does not have that page there any more
   */
  protected final boolean enter(Cpu c, int i, long entry) {
    long la = entry + distances[i];
    Page p = pages[i];
    if (!c.fetchesFrom(la, p) || p.codeVersion != versions[i]) {
      return false;
    }
    c.r[CpuState.PAGE] = la;
    c.executing = p;
    return true;
  }

  /** {@return the result of a pass that {@link #enter} refused} */
  protected final int refusal(int i) {
    return pages[i].codeVersion == versions[i] ? DISPATCH : STALE;
  }

  /** Prepares for executing an operation by its own method. */
  protected final void calling(Cpu c, int block, int index, long count) {
    c.icount = count;
    c.running = ops[block];
    c.runningAt = index;
    if (c.stopping()) {
      // Such operations may take long: it is executed by itself, and the run loop looks up then.
      throw Signal.WATCHED;
    }
  }
}
