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

  /** Thrice by nine, as addresses are scaled: places that are neighbours are to be far apart. */
  private static final int SPREAD = 9 * 9 * 9;

  /** How far an address is moved to the right, so that its upper bits count too. */
  public static final int UPPER = 16;

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
  private static int hash(long linear) {
    return SPREAD * (int) (linear + (linear >>> UPPER));
  }

  /** Counts an edge to a place, from the one that a processor's state block has. */
  void count(long state, long linear) {
    int h = hash(linear);
    long counter = at + (h + (int) RawMemory.get64(state + NativeState.EDGE_FROM) & SIZE - 1);
    int n = RawMemory.get8(counter);
    RawMemory.put8(counter, n == MOST ? MOST : n + 1);
    RawMemory.put64(state + NativeState.EDGE_FROM, h >>> BEFORE);
  }

  /** Tells native code of a processor's state block where to count. */
  void handTo(long state) {
    RawMemory.put64(state + NativeState.EDGE_MAP, at);
    for (int n = 0; n <= MOST; n++) {
      RawMemory.put8(state + NativeState.NEXT_COUNTS + n, Math.min(n + 1, MOST));
    }
  }

  /** {@return whether an instruction transfers control, wherever to} Events that it raises do. */
  public static boolean transfers(Insn in) {
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
