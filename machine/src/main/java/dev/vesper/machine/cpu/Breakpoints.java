package dev.vesper.machine.cpu;

import java.util.Arrays;

/**
 * The four breakpoints of DR0 to DR3 as DR7 enables them (AMD APM volume 2, 13.1.1): instruction,
 * data and I/O breakpoints.
 */
public final class Breakpoints {
  private static final int EXECUTE = 0;
  private static final int WRITE = 1;
  private static final int IO = 2;
  private static final int READ_WRITE = 3;

  private final long[] address = new long[4];
  private final long[] mask = new long[4];
  private final int[] kind = new int[4];
  private int count;
  private final int[] number = new int[4];
  private boolean code;
  private boolean data;
  private boolean io;

  /**
   * DR6 bits of data and I/O breakpoints that the instruction under way has met. Those of a load of
   * SS stay for the next instruction.
   */
  public int met;

  /**
   * Takes over what the debug registers say.
   *
   * @param ioEnabled CR4.DE: kind 2 is an I/O breakpoint; otherwise it is none
   */
  void set(long[] dr, boolean ioEnabled) {
    count = 0;
    code = false;
    data = false;
    io = false;
    for (int i = 0; i < 4; i++) {
      if ((dr[7] >>> 2 * i & 3) == 0) {
        continue;
      }
      int k = (int) (dr[7] >>> 16 + 4 * i) & 3;
      if (k == IO && !ioEnabled) {
        continue;
      }
      int length = (int) (dr[7] >>> 18 + 4 * i) & 3;
      long bytes = length == 2 ? 8 : length + 1L;
      mask[count] = k == EXECUTE ? -1 : -bytes;
      address[count] = dr[i] & mask[count];
      kind[count] = k;
      number[count++] = i;
      code |= k == EXECUTE;
      io |= k == IO;
      data |= k == WRITE || k == READ_WRITE;
    }
  }

  /** {@return whether these are the breakpoints of the debug registers, as {@link #set} has it} */
  boolean follow(long[] dr, boolean ioEnabled) {
    if ((dr[7] & 0xFF) == 0) {
      return count == 0;
    }
    Breakpoints b = new Breakpoints();
    b.set(dr, ioEnabled);
    return b.count == count
        && Arrays.equals(b.number, 0, count, number, 0, count)
        && Arrays.equals(b.kind, 0, count, kind, 0, count)
        && Arrays.equals(b.mask, 0, count, mask, 0, count)
        && Arrays.equals(b.address, 0, count, address, 0, count);
  }

  /** {@return whether any is enabled} */
  public boolean active() {
    return count != 0;
  }

  /** {@return whether one watches memory} */
  boolean watchesData() {
    return data;
  }

  private int matching(long first, long bytes, int a, int b) {
    int hits = 0;
    for (int i = 0; i < count; i++) {
      boolean kinds = kind[i] == a || kind[i] == b;
      long last = first + bytes - 1;
      long end = address[i] + (-mask[i] - 1);
      boolean apart =
          Long.compareUnsigned(last, address[i]) < 0 || Long.compareUnsigned(end, first) < 0;
      if (kinds && !apart) {
        hits |= 1 << number[i];
      }
    }
    return hits;
  }

  /** {@return the DR6 bits of instruction breakpoints at a linear address} */
  int atInstruction(long la) {
    return code ? matching(la, 1, EXECUTE, EXECUTE) : 0;
  }

  /** Notes an access to memory. */
  void access(long la, int bytes, boolean write) {
    met |= matching(la, bytes, READ_WRITE, write ? WRITE : READ_WRITE);
  }

  /** Notes an access to ports. */
  public void port(int port, int bytes) {
    if (io) {
      met |= matching(port, bytes, IO, IO);
    }
  }
}
