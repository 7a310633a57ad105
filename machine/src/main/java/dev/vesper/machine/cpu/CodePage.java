package dev.vesper.machine.cpu;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Decoded blocks of one physical page, by offset and code mode. */
final class CodePage {
  private int[] keys = new int[16];
  private @Nullable Block[] blocks = new Block[16];
  private int count;

  CodePage() {
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
      int[] oldKeys = keys;
      Block[] oldBlocks = blocks;
      keys = new int[oldKeys.length * 2];
      blocks = new Block[oldKeys.length * 2];
      Arrays.fill(keys, -1);
      count = 0;
      for (int i = 0; i < oldKeys.length; i++) {
        Block o = oldBlocks[i];
        if (o != null) {
          put(oldKeys[i], o);
        }
      }
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
}
