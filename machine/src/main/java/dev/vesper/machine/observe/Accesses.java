package dev.vesper.machine.observe;

import java.util.Arrays;

/** What a guest did with its GHCB between two events, in order. */
public final class Accesses {
  /** Kinds of accesses. */
  public enum Kind {
    /** Of the page. */
    READ,
    /** Of the page. */
    WRITE,
    /** RDMSR of the GHCB MSR. */
    MSR_READ,
    /** WRMSR of the GHCB MSR. */
    MSR_WRITE,
    /** Of what RDMSR has read, with anything. */
    COMPARE
  }

  /** An instruction's most bytes. */
  public static final int MOST_BYTES = 255;

  private static final int WORDS = 3;
  private static final int FIRST = 16 * WORDS;
  private static final int MOST = 1 << 16;
  private static final Kind[] KINDS = Kind.values();

  private static final long[] EMPTY = {};

  /** None at all: not to be added to. */
  public static final Accesses NONE = new Accesses();

  private long[] data = EMPTY;
  private int used;

  /** Adds an access; what a guest does beyond 20,000 of them is dropped. */
  public void add(Kind kind, int offset, int bytes, long value, long rip) {
    if (used + WORDS > data.length) {
      if (used >= MOST) {
        return;
      }
      data = Arrays.copyOf(data, Math.max(FIRST, used * 2));
    }
    data[used] = (long) kind.ordinal() << 32 | (long) offset << 8 | bytes;
    data[used + 1] = value;
    data[used + 2] = rip;
    used += WORDS;
  }

  /** {@return how many there are} */
  public int size() {
    return used / WORDS;
  }

  /** {@return what an access was} */
  public Kind kind(int i) {
    return KINDS[(int) (data[i * WORDS] >>> 32)];
  }

  /** {@return the offset of an access in the GHCB page} */
  public int offset(int i) {
    return (int) data[i * WORDS] >>> 8;
  }

  /** {@return how many bytes an access had, at most {@link #MOST_BYTES}} */
  public int bytes(int i) {
    return (int) data[i * WORDS] & 0xFF;
  }

  /** {@return the value of an access's first 8 bytes} */
  public long value(int i) {
    return data[i * WORDS + 1];
  }

  /** {@return the address of the instruction that made an access} */
  public long rip(int i) {
    return data[i * WORDS + 2];
  }

  /** {@return whether an access touches a range of the page} */
  public boolean touches(int i, int from, int length) {
    Kind k = kind(i);
    return (k == Kind.READ || k == Kind.WRITE)
        && offset(i) < from + length
        && from < offset(i) + bytes(i);
  }

  @Override
  public boolean equals(Object o) {
    return o instanceof Accesses a && Arrays.equals(data, 0, used, a.data, 0, a.used);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(Arrays.copyOf(data, used));
  }

  @Override
  public String toString() {
    return size() + " accesses";
  }
}
