package dev.vesper.machine.cpu;

import dev.vesper.machine.memory.Page;
import java.util.Arrays;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Decoded blocks of one physical page, by offset and code mode. Some may be stale. */
final class CodePage {
  private static final int SMALLEST = 16;

  final Page page;

  /** How often code of the page was executed between the last two calls of {@link #tidy}. */
  long use;

  /** What its blocks took at the last one, in bytes. */
  long bytes;

  private long seen;

  private int[] keys = new int[SMALLEST];
  private @Nullable Block[] blocks = new Block[SMALLEST];
  private int count;

  CodePage(Page page) {
    this.page = page;
    Arrays.fill(keys, -1);
  }

  private static int slot(int key, int size) {
    return key * 0x9E37_79B1 >>> 8 & size - 1;
  }

  @Nullable Block get(int key) {
    int n = keys.length;
    for (int i = slot(key, n); keys[i] != -1; i = i + 1 & n - 1) {
      if (keys[i] == key) {
        return blocks[i];
      }
    }
    return null;
  }

  void put(int key, Block b) {
    if (count * 2 >= keys.length) {
      resize(keys.length * 2, false);
    }
    int n = keys.length;
    int i = slot(key, n);
    while (keys[i] != -1 && keys[i] != key) {
      i = i + 1 & n - 1;
    }
    if (keys[i] == -1) {
      count++;
    }
    keys[i] = key;
    blocks[i] = b;
  }

  /** Moves all blocks, or those that are not stale, into tables of another size. */
  private void resize(int size, boolean currentOnly) {
    int[] oldKeys = keys;
    Block[] oldBlocks = blocks;
    keys = new int[size];
    blocks = new Block[size];
    Arrays.fill(keys, -1);
    count = 0;
    for (int i = 0; i < oldKeys.length; i++) {
      Block o = oldBlocks[i];
      if (o != null && (!currentOnly || o.current())) {
        put(oldKeys[i], o);
      }
    }
  }

  /** Lets go of stale blocks, and measures the others. */
  void tidy() {
    int stale = 0;
    for (Block b : blocks) {
      if (b != null && !b.current()) {
        b.isolate();
        stale++;
      }
    }
    if (stale > 0) {
      resize(Math.max(SMALLEST, Integer.highestOneBit(count - stale + 1) * 4), true);
    }
    long executed = 0;
    bytes = 0;
    for (Block b : blocks) {
      if (b != null) {
        executed += b.count;
        bytes += b.bytes();
      }
    }
    use = executed >= seen ? executed - seen : executed;
    seen = executed;
  }

  /** Hands on all blocks. */
  void forEach(Consumer<Block> to) {
    for (Block b : blocks) {
      if (b != null) {
        to.accept(b);
      }
    }
  }
}
