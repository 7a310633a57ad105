package dev.vesper.fuzz;

import dev.vesper.fuzz.store.CampaignStore;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Inputs that have reached something new, and what all have reached. Which is worked on next is
 * AFL's choice: those that are the cheapest way to some edge come first, others now and then. From
 * any thread.
 */
final class Corpus {
  private static final VarHandle LONGS =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  /** Of entries that are not the cheapest way to anything, one in so many is worked on. */
  private static final int SELDOM = 20;

  private final List<Entry> entries = new ArrayList<>();
  private final byte[] reached = new byte[CampaignStore.MAP];
  private final @Nullable Entry[] best = new Entry[CampaignStore.MAP];
  private int next;
  private int cycles;
  private int count;

  /** {@return whether there is a bit in a map that is new; nothing is changed} */
  boolean isNew(byte[] edges) {
    // Bits are only ever added: who reads an old one asks again behind the lock.
    for (int i = 0; i < edges.length; i += Long.BYTES) {
      long e = (long) LONGS.get(edges, i);
      if (e != 0 && (e & ~(long) LONGS.get(reached, i)) != 0) {
        return true;
      }
    }
    return false;
  }

  /**
   * Adds an entry, if it still reaches something new.
   *
   * @return whether it was added
   */
  synchronized boolean add(Entry e, byte[] edges) {
    boolean first = entries.isEmpty();
    if (!isNew(edges) && !first) {
      return false;
    }
    entries.add(e);
    for (int i = 0; i < edges.length; i++) {
      if (edges[i] == 0) {
        continue;
      }
      if (reached[i] == 0) {
        count++;
      }
      reached[i] |= edges[i];
      Entry b = best[i];
      if (b == null || e.cost() < b.cost()) {
        best[i] = e;
      }
    }
    entries.forEach(x -> x.favored = false);
    for (Entry b : best) {
      if (b != null) {
        b.favored = true;
      }
    }
    return true;
  }

  /** Joins what somebody else has reached. */
  synchronized void join(byte[] others) {
    for (int i = 0; i < reached.length; i++) {
      if (reached[i] == 0 && others[i] != 0) {
        count++;
      }
      reached[i] |= others[i];
    }
  }

  /**
   * {@return the entry to work on next} There is one.
   *
   * @param random decides about those that are no cheapest way
   */
  synchronized Entry next(Mutator random) {
    for (int looked = 0; ; looked++) {
      if (next >= entries.size()) {
        next = 0;
        cycles++;
      }
      Entry e = entries.get(next++);
      if (e.favored || looked > entries.size() || random.below(SELDOM) == 0) {
        return e;
      }
    }
  }

  /** {@return any entry} */
  synchronized Entry any(Mutator random) {
    return entries.get(random.below(entries.size()));
  }

  /** {@return an entry by name, or null} */
  synchronized @Nullable Entry named(String name) {
    return entries.stream().filter(e -> e.name.equals(name)).findFirst().orElse(null);
  }

  /** {@return a copy of what was reached} */
  synchronized byte[] reached() {
    return reached.clone();
  }

  /** {@return how many edges were reached} */
  synchronized int edges() {
    return count;
  }

  /** {@return how many entries there are} */
  synchronized int size() {
    return entries.size();
  }

  /** {@return how many entries are the cheapest way to something} */
  synchronized int favored() {
    return (int) entries.stream().filter(e -> e.favored).count();
  }

  /** {@return how many entries were never worked on} */
  synchronized int pending() {
    return (int) entries.stream().filter(e -> e.rounds == 0).count();
  }

  /** {@return the greatest depth} */
  synchronized int depth() {
    return entries.stream().mapToInt(e -> e.depth).max().orElse(0);
  }

  /** {@return how often all entries were gone through} */
  synchronized int cycles() {
    return cycles;
  }
}
