package dev.vesper.machine.observe;

import java.util.Arrays;

/**
 * What a guest did with its GHCB between two events, in order. As text: {@code
 * r398:8=0@ffffffff81000000}, a read of 8 bytes at offset 398 with the value and the instruction's
 * address; {@code w} is a write; {@code R} and {@code W} are RDMSR and WRMSR of the GHCB MSR;
 * {@code c} is a comparison of what RDMSR has read. Items are separated by spaces.
 */
public final class Accesses {
  /** Kinds of accesses. */
  public enum Kind {
    READ('r'),
    WRITE('w'),
    MSR_READ('R'),
    MSR_WRITE('W'),
    COMPARE('c');

    final char letter;

    Kind(char letter) {
      this.letter = letter;
    }
  }

  /**
   * One access.
   *
   * @param offset in the GHCB page
   * @param bytes at most 8
   */
  public record Access(Kind kind, int offset, int bytes, long value, long rip) {
    /** {@return whether it touches a range of the page} */
    public boolean touches(int from, int length) {
      return (kind == Kind.READ || kind == Kind.WRITE)
          && offset < from + length
          && from < offset + bytes;
    }
  }

  private static final int WORDS = 3;
  private static final int MOST = 1 << 16;
  private static final Kind[] KINDS = Kind.values();

  private long[] data = new long[48];
  private int used;

  /** Adds an access; what a guest does beyond 20,000 of them is dropped. */
  public void add(Kind kind, int offset, int bytes, long value, long rip) {
    if (used + WORDS > data.length) {
      if (used >= MOST) {
        return;
      }
      data = Arrays.copyOf(data, used * 2);
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

  /** {@return an access} */
  public Access get(int i) {
    long head = data[i * WORDS];
    return new Access(
        KINDS[(int) (head >>> 32)],
        (int) head >>> 8,
        (int) head & 0xFF,
        data[i * WORDS + 1],
        data[i * WORDS + 2]);
  }

  @Override
  public String toString() {
    StringBuilder b = new StringBuilder(used * 10);
    for (int i = 0; i < used; i += WORDS) {
      b.append(i == 0 ? "" : " ").append(KINDS[(int) (data[i] >>> 32)].letter);
      b.append(Integer.toHexString((int) data[i] >>> 8)).append(':').append(data[i] & 0xFF);
      b.append('=').append(Long.toHexString(data[i + 1]));
      b.append('@').append(Long.toHexString(data[i + 2]));
    }
    return b.toString();
  }

  /** {@return what {@link #toString} wrote; items that are damaged are left out} */
  public static Accesses parse(String text) {
    Accesses a = new Accesses();
    for (String t : text.split(" ")) {
      int colon = t.indexOf(':');
      int equals = t.indexOf('=');
      int at = t.indexOf('@');
      if (colon < 2 || equals < colon || at < equals) {
        continue;
      }
      try {
        for (Kind k : KINDS) {
          if (k.letter == t.charAt(0)) {
            a.add(
                k,
                Integer.parseInt(t, 1, colon, 16),
                Integer.parseInt(t, colon + 1, equals, 10),
                Long.parseUnsignedLong(t, equals + 1, at, 16),
                Long.parseUnsignedLong(t, at + 1, t.length(), 16));
          }
        }
      } catch (NumberFormatException e) {
        // a damaged item says nothing
      }
    }
    return a;
  }
}
