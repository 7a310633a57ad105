package dev.vesper.machine.flow;

import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The labels of bytes: numbers of 16 bits that stand for sets of origins, of which there are no
 * more than {@link #MOST} at a time. Labels that no byte has are to be given back by {@link
 * #collect} when few are left, which {@link #scarce} tells; where there is none, new sets become
 * {@link #MANY_SECRET} and its like, which have lost their names.
 */
final class Labels {
  /** Memory that nobody has touched: what it is depends on whose it is. */
  static final char UNKNOWN = 0;

  /** Made of code alone, or known to everybody. */
  static final char PUBLIC = 1;

  /** Private, and nobody knows from where. */
  static final char MANY_SECRET = 2;

  /** The host's, and nobody knows from where: it counts as checked. */
  static final char MANY_HOST = 3;

  static final char MANY_BOTH = 4;

  /** Labels that there are. */
  static final int MOST = 0x1_0000;

  /** Origins of the host's that a set keeps; more make it no different. */
  static final int MOST_OF_HOST = 4;

  /** Private origins that a set keeps: all that matters of a mixture is that it is private. */
  static final int MOST_SECRET = 2;

  private static final int FIRST = 5;
  private static final int SECRET = 1;
  private static final int HOST = 2;
  private static final int MEMO = 1 << 14;
  private static final Origin[] NONE = {};

  private final int most;
  private Origin[][] sets = new Origin[256][];
  private final byte[] sides = new byte[MOST];
  private final Map<List<Integer>, Character> known = new HashMap<>();
  private final int[] memoKeys = new int[MEMO];
  private final char[] memo = new char[MEMO];
  private int next = FIRST;
  private final BitSet free = new BitSet();
  private int origins;
  private long blurred;

  /** Labels that can be given out before it is time to collect; many if collecting gave few. */
  private int left;

  /**
   * @param most labels at a time, at most {@link #MOST}
   */
  Labels(int most) {
    assert most >= 64 && most <= MOST;
    this.most = most;
    left = most - FIRST - most / 16;
    sides[MANY_SECRET] = SECRET;
    sides[MANY_HOST] = HOST;
    sides[MANY_BOTH] = SECRET | HOST;
    Arrays.fill(memoKeys, -1);
  }

  /** {@return a new origin and its label} */
  char origin(boolean secret, String name, long exchange) {
    return of(new Origin[] {new Origin(origins++, secret, name, exchange)});
  }

  /** {@return how often a set was given up because there were too many} */
  long blurred() {
    return blurred;
  }

  /** {@return whether private bytes are among what it was made of} */
  boolean secret(char label) {
    return (sides[label] & SECRET) != 0;
  }

  /** {@return whether values of the host's are among what it was made of} */
  boolean host(char label) {
    return (sides[label] & HOST) != 0;
  }

  /** {@return what it was made of, as far as that is known} */
  Origin[] origins(char label) {
    return label < FIRST ? NONE : sets[label];
  }

  /** {@return the first origin of the host's that was never compared, or null} */
  @Nullable Origin unchecked(char label) {
    if ((sides[label] & HOST) != 0) {
      for (Origin o : origins(label)) {
        if (!o.secret && !o.checked) {
          return o;
        }
      }
    }
    return null;
  }

  /** A value was compared. */
  void check(char label) {
    if ((sides[label] & HOST) != 0) {
      for (Origin o : origins(label)) {
        o.checked = true;
      }
    }
  }

  /** An instruction has moved a value. */
  void passes(char label, long rip) {
    if ((sides[label] & HOST) != 0) {
      for (Origin o : origins(label)) {
        o.passes(rip);
      }
    }
  }

  /** {@return the label of what is made of two} */
  char join(char a, char b) {
    if (a == b || b <= PUBLIC) {
      return a == UNKNOWN ? PUBLIC : a;
    }
    if (a <= PUBLIC) {
      return b;
    }
    char low = a < b ? a : b;
    char high = a < b ? b : a;
    int key = low << 16 | high;
    int at = (low * 31 + high) * 0x9E37 >>> 4 & MEMO - 1;
    if (memoKeys[at] == key) {
      return memo[at];
    }
    char joined = joined(low, high);
    memoKeys[at] = key;
    memo[at] = joined;
    return joined;
  }

  private char joined(char a, char b) {
    int both = sides[a] | sides[b];
    if (a < FIRST) {
      // What one of them has lost is lost.
      return blur(both);
    }
    Map<Integer, Origin> all = new TreeMap<>();
    int[] room = {MOST_SECRET, MOST_OF_HOST};
    for (Origin[] set : List.of(sets[a], sets[b])) {
      for (Origin o : set) {
        int side = o.secret ? 0 : 1;
        if (room[side] > 0 && all.putIfAbsent(o.number, o) == null) {
          room[side]--;
        }
      }
    }
    return of(all.values().toArray(new Origin[0]));
  }

  private static char blur(int side) {
    return side == SECRET ? MANY_SECRET : side == HOST ? MANY_HOST : MANY_BOTH;
  }

  /** {@return the label of a set that is sorted} */
  private char of(Origin[] set) {
    List<Integer> numbers = Arrays.stream(set).map(o -> o.number).toList();
    Character old = known.get(numbers);
    if (old != null) {
      return old;
    }
    int side = 0;
    for (Origin o : set) {
      side |= o.secret ? SECRET : HOST;
    }
    int id = take();
    if (id < 0) {
      blurred++;
      return blur(side);
    }
    if (id >= sets.length) {
      sets = Arrays.copyOf(sets, Math.min(MOST, 2 * sets.length));
    }
    sets[id] = set;
    sides[id] = (byte) side;
    known.put(numbers, (char) id);
    return (char) id;
  }

  private int take() {
    left--;
    int id = free.nextSetBit(0);
    if (id >= 0) {
      free.clear(id);
      return id;
    }
    return next < most ? next++ : -1;
  }

  /** {@return whether it is time to collect; not within an instruction, whose labels nobody has} */
  boolean scarce() {
    return left <= 0;
  }

  /**
   * Gives up the labels that no byte has.
   *
   * @param live those that bytes have
   */
  void collect(BitSet live) {
    for (int id = FIRST; id < next; id++) {
      if (!live.get(id) && !free.get(id)) {
        known.remove(Arrays.stream(sets[id]).map(o -> o.number).toList());
        sets[id] = NONE;
        sides[id] = 0;
        free.set(id);
      }
    }
    // Looking again each time that a few have become free would take all the time there is.
    int there = free.cardinality() + most - next;
    left = there > most / 8 ? there - most / 16 : most;
    Arrays.fill(memoKeys, -1);
  }
}
