package dev.vesper.machine.cpu;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Decides which code is translated, and when. HotSpot takes about as long to compile an instruction
 * as the interpreter takes for thousands of them: a region must have earned it, and waits for its
 * turn.
 */
final class HotCode {
  private static final int MAX_TRANSLATIONS = 8;
  private static final int FREQUENT_MISSES = 1000;

  /** Interpretations between two looks whether a region is compiled. */
  private static final int PATIENCE = 256;

  /** Calls with each look, which make HotSpot compile. */
  private static final int CALLS = 200;

  /** Regions that may wait for HotSpot at a time, so that what is hot now comes before what was. */
  private static final int MAX_WAITING = 1;

  /** What a region costs whatever its size, in instructions. */
  private static final int FIXED_COST = 5;

  private final Cpu cpu;
  private @Nullable Translator translator;
  private int threshold = Integer.MAX_VALUE;

  /** Blocks whose regions are not compiled yet. */
  private final List<Block> waiting = new ArrayList<>();

  HotCode(Cpu cpu) {
    this.cpu = cpu;
  }

  void translateWith(@Nullable Translator t) {
    translator = t;
    threshold = t == null ? Integer.MAX_VALUE : t.threshold();
  }

  /** {@return how often a block is interpreted before it is looked at} */
  int threshold() {
    return threshold;
  }

  /** Lets go of what waits for a translation that nobody needs any more. */
  void forgetStale() {
    waiting.removeIf(b -> !b.current());
  }

  /** A small threshold, as tests set it, asks for translated code at once. */
  private boolean waits() {
    return threshold >= PATIENCE;
  }

  /** Has a block translated that is executed often, and enters the region once it is compiled. */
  void look(Block b) {
    Translator t = translator;
    b.look = Integer.MAX_VALUE;
    if (t == null || b.second != null || b.translations >= MAX_TRANSLATIONS) {
      return;
    }
    b.look = b.count + PATIENCE;
    waiting.removeIf(this::settled);
    if (b.candidate != null || b.region != null || waiting.size() >= MAX_WAITING) {
      return;
    }
    Translator.Plan plan = t.plan(cpu, b, b.translations >= MAX_TRANSLATIONS / 2);
    if (waits() && !worthwhile(plan.blocks())) {
      b.look = b.count + Math.max(PATIENCE, b.count >> 3);
      return;
    }
    b.translations++;
    Region made = plan.region();
    if (made == null) {
      b.look = Integer.MAX_VALUE;
      return;
    }
    made.account(true);
    cpu.memory.codeBudget().add(Region.BYTES);
    if (waits()) {
      b.candidate = made;
      waiting.add(b);
      settled(b);
    } else {
      b.region = made;
    }
  }

  /**
   * {@return whether the interpreter has spent as much time on blocks as compiling them will take}
   * What it spent on blocks before they became part of a region counts for that region only.
   */
  private boolean worthwhile(List<Block> blocks) {
    long spent = 0;
    long size = FIXED_COST;
    for (Block b : blocks) {
      spent += (long) (b.count - b.accounted) * b.length();
      size += b.length();
    }
    return spent >= size * threshold;
  }

  /** {@return whether a block waits no more for its region} */
  private boolean settled(Block b) {
    Region candidate = b.candidate;
    if (candidate == null || !b.current()) {
      b.candidate = null;
      return true;
    }
    if (candidate.compiled(cpu, CALLS)) {
      b.region = candidate;
      b.candidate = null;
      return true;
    }
    return false;
  }

  /** Drops a region whose code has changed. */
  void forget(Block head) {
    forget(head, threshold);
  }

  private static void forget(Block head, int interpretations) {
    Region r = head.region;
    if (r != null) {
      r.account(false);
    }
    head.region = null;
    head.look = head.count + interpretations;
  }

  /**
   * Counts what translated code gave up on. Where that is frequent, the region is made anew: the
   * translator leaves such an operation to its own method.
   */
  void missed(Block head, Region region, int where) {
    Op op = region.block(where >> Region.INDEX_BITS).ops()[where & (1 << Region.INDEX_BITS) - 1];
    op.misses = (short) Math.min(op.misses + 1, Short.MAX_VALUE);
    if (op.misses == FREQUENT_MISSES
        && head.translations < MAX_TRANSLATIONS
        && region.entries < 64L * FREQUENT_MISSES) {
      forget(head, 64);
    }
  }
}
