package dev.vesper.machine;

import dev.vesper.machine.cpu.EdgeMap;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Which ways guest code took, and how often: a map of counters as AFL has it, for programs that
 * look for inputs which reach something new. {@link Machine#coverage} has it counted.
 *
 * <p>An edge leads from one place to the next. A place is the linear address where an instruction
 * that transfers control went (near and far jumps, calls and returns, conditional ones whether
 * taken or not, IRET, and system calls and returns from them), or where an exception or interrupt
 * was delivered to. The counter of an edge is found by a hash of both addresses; edges that share a
 * counter cannot be told apart. Each vCPU has a place where it comes from, and all count in the
 * same map. The same run gives the same map, whatever executes guest code and wherever it was
 * paused.
 *
 * <p>Not thread-safe: read it while no machine that it was given to runs.
 */
public final class EdgeCoverage {
  /** Counters of a map, one byte each. */
  public static final int SIZE = EdgeMap.SIZE;

  private static final byte[] BUCKETS = buckets();

  final EdgeMap map = new EdgeMap();

  /** A map in which nothing was counted. */
  public EdgeCoverage() {}

  /** {@return a copy of the counters, {@link #SIZE} bytes, unsigned; 255 stays 255} */
  public byte[] bytes() {
    return map.counters().toArray(ValueLayout.JAVA_BYTE);
  }

  /**
   * Copies the counters.
   *
   * @param to takes {@link #SIZE} bytes from its beginning on
   * @throws IndexOutOfBoundsException if it is shorter
   */
  public void copyTo(byte[] to) {
    MemorySegment.copy(map.counters(), ValueLayout.JAVA_BYTE, 0, to, 0, SIZE);
  }

  /**
   * {@return a copy in which counts that matter alike are the same} A bit each for 1, 2, 3, 4 to 7,
   * 8 to 15, 16 to 31, 32 to 127, and 128 and more, from bit 0 on: the classes of AFL.
   */
  public byte[] bucketed() {
    byte[] b = bytes();
    for (int i = 0; i < b.length; i++) {
      if (b[i] != 0) {
        b[i] = BUCKETS[b[i] & 0xFF];
      }
    }
    return b;
  }

  /** Sets all counters to 0. */
  public void clear() {
    map.counters().fill((byte) 0);
  }

  private static byte[] buckets() {
    byte[] b = new byte[256];
    int[] least = {1, 2, 3, 4, 8, 16, 32, 128, 256};
    for (int i = 0; i + 1 < least.length; i++) {
      for (int n = least[i]; n < least[i + 1]; n++) {
        b[n] = (byte) (1 << i);
      }
    }
    return b;
  }
}
