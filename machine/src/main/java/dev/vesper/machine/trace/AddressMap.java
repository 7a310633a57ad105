package dev.vesper.machine.trace;

import java.util.function.LongConsumer;

/**
 * A number of more than 0 for each of many addresses, without an object for any of them: observers
 * ask for each access of a guest to its GHCB. Open addressing in a table that is never more than
 * half full.
 */
final class AddressMap {
  private long[] keys = new long[64];

  /** 0 where there is no key. */
  private int[] values = new int[64];

  private int size;

  /** {@return how many addresses there are} */
  int size() {
    return size;
  }

  private int slot(long address) {
    int mask = keys.length - 1;
    // A multiplication spreads addresses that are alike; its high bits are the good ones.
    int i = (int) (address * 0x9E37_79B9_7F4A_7C15L >>> 32) & mask;
    while (values[i] != 0 && keys[i] != address) {
      i = i + 1 & mask;
    }
    return i;
  }

  /** {@return an address's number, 0 if it has none} */
  int get(long address) {
    return values[slot(address)];
  }

  /** Gives an address a number of more than 0. */
  void put(long address, int value) {
    assert value > 0 : value;
    int i = slot(address);
    if (values[i] == 0) {
      keys[i] = address;
      size++;
    }
    values[i] = value;
    if (2 * size > keys.length) {
      grow();
    }
  }

  private void grow() {
    long[] k = keys;
    int[] v = values;
    keys = new long[2 * k.length];
    values = new int[2 * k.length];
    for (int i = 0; i < k.length; i++) {
      if (v[i] != 0) {
        int to = slot(k[i]);
        keys[to] = k[i];
        values[to] = v[i];
      }
    }
  }

  /** Hands on all addresses, in no order. */
  void forEach(LongConsumer to) {
    for (int i = 0; i < keys.length; i++) {
      if (values[i] != 0) {
        to.accept(keys[i]);
      }
    }
  }
}
