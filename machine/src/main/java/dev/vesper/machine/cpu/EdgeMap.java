package dev.vesper.machine.cpu;

import dev.vesper.machine.memory.LazyMemory;
import dev.vesper.machine.memory.RawMemory;
import dev.vesper.x86.Insn;
import java.lang.foreign.MemorySegment;

/**
 * How often guest code went from one place to another: counters of eight bits, one for what falls
 * on it by where from and where to. Outside the Java heap, where native code counts too.
 *
 * <p>A place is where an instruction that transfers control went, whether it is one behind it or
 * another, or where an event was delivered to. Blocks of decoded code do not matter: they end where
 * the translator, a page or a limit has them end, which no map may show.
 *
 * <p>Everything here is made of operations that native code has without touching flags: sums and
 * rotations, where AFL has exclusive ors.
 */
public final class EdgeMap {
  /** Counters, a power of two. */
  public static final int SIZE = 1 << 16;

  /** A counter stays there: code that was executed often is not to look as if it never was. */
  public static final int MOST = 0xFF;

  /** Three times nine, as addresses are scaled: places that are neighbours are to be far apart. */
  static final int SPREAD = 9 * 9 * 9;

  /**
   * How far the hash of the place before is moved to the right. Two places in either order, and two
   * pairs at the same distance, are then different edges.
   */
  public static final int BEFORE = 7;

  private final MemorySegment counters = LazyMemory.map(SIZE);
  private final long at = counters.address();

  /** {@return the address of the first counter} */
  public long address() {
    return at;
  }

  /** {@return the counters, one byte each} */
  public MemorySegment counters() {
    return counters;
  }

  /** {@return what a place's linear address adds to an index} */
  static int hash(long linear) {
    return SPREAD * (int) (linear + (linear >>> 16));
  }

  /**
   * Counts an edge.
   *
   * @param before {@link #hash} of the place that it comes from, moved by {@link #BEFORE}
   * @return the same of the place that it goes to
   */
  int count(int before, long linear) {
    int h = hash(linear);
    long counter = at + (h + before & SIZE - 1);
    int n = RawMemory.get8(counter);
    RawMemory.put8(counter, n == MOST ? MOST : n + 1);
    return h >>> BEFORE;
  }

  /** {@return whether an instruction transfers control, wherever to} Events that it raises do. */
  static boolean transfers(Insn in) {
    return switch (in.operation()) {
      case JMP, CALL, RET, JCC, JCXZ, LOOP, LOOPE, LOOPNE -> true;
      default ->
          switch (in.mnemonic()) {
            case "jmpf", "callf", "retf", "iret", "syscall", "sysret", "sysenter", "sysexit" ->
                true;
            default -> false;
          };
    };
  }
}
