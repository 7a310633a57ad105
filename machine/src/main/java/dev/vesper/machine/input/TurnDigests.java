package dev.vesper.machine.input;

import org.jspecify.annotations.Nullable;

/**
 * What the turns of a run come to, so that a replay sees the first one that is another. At the end
 * of each turn the vCPU, the exit, counts of instructions and virtual time go into a chain, of
 * which 16 bits are written: so a turn costs a few nanoseconds and two bytes. At every {@link
 * #INTERVAL} instructions registers do too, which takes a hash of a save area for each vCPU.
 */
public final class TurnDigests {
  /** Instructions between looks at registers. */
  public static final long INTERVAL = 10_000_000;

  /** Turns that are written as one record. */
  static final int AT_ONCE = 4096;

  private static final long MIX = 0x9E37_79B9_7F4A_7C15L;

  private final @Nullable RecordingWriter writer;
  private final @Nullable Recording recorded;
  private final byte[] unwritten = new byte[2 * AT_ONCE];
  private int waiting;
  private long turns;

  /** Turns of the run whose snapshot this one has begun with. */
  private long before;

  private long chain;
  private long due;
  private int look;

  private TurnDigests(@Nullable RecordingWriter writer, @Nullable Recording recorded) {
    this.writer = writer;
    this.recorded = recorded;
    due = writer == null && recorded == null ? Long.MAX_VALUE : INTERVAL;
  }

  static TurnDigests none() {
    return new TurnDigests(null, null);
  }

  static TurnDigests recording(RecordingWriter to) {
    return new TurnDigests(to, null);
  }

  static TurnDigests checking(Recording r) {
    return new TurnDigests(null, r);
  }

  /** {@return how many turns have ended} */
  public long turns() {
    return turns;
  }

  /** {@return what all turns so far come to} */
  long chain() {
    return chain;
  }

  /**
   * A turn has ended.
   *
   * @param what of its vCPU and its end, in any way that is the same in each run
   * @return whether it is what was recorded, if anything was
   */
  public boolean turn(long what, long instructions, long time) {
    long x = (chain ^ what) * MIX;
    x = (x ^ x >>> 32 ^ instructions) * MIX;
    x = (x ^ x >>> 29 ^ time) * MIX;
    chain = x ^ x >>> 32;
    turns++;
    Recording r = recorded;
    if (r != null) {
      int expected = r.turn(turns - 1 - before);
      return expected < 0 || expected == ((int) chain & 0xFFFF);
    }
    if (writer != null) {
      unwritten[2 * waiting] = (byte) chain;
      unwritten[2 * waiting + 1] = (byte) (chain >> 8);
      if (++waiting == AT_ONCE) {
        flush();
      }
    }
    return true;
  }

  /** Writes the turns that have not been written. */
  void flush() {
    if (writer != null && waiting > 0) {
      writer.turns(turns - waiting - before, unwritten, 2 * waiting);
      waiting = 0;
    }
  }

  /** {@return whether registers are to be looked at, between turns} */
  public boolean isDue(long instructions) {
    return instructions >= due;
  }

  /**
   * Registers have been looked at.
   *
   * @param point the machine's last point
   * @param registers what all of them come to
   * @return whether that is what was recorded, if anything was
   */
  public boolean registers(long point, long instructions, long registers) {
    due = (instructions / INTERVAL + 1) * INTERVAL;
    Recording r = recorded;
    if (r != null) {
      Recording.Look l = look < r.looks().size() ? r.looks().get(look++) : null;
      return l == null
          || l.point() == point && l.instructions() == instructions && l.registers() == registers;
    }
    if (writer != null) {
      flush();
      writer.look(new Recording.Look(point, instructions, registers));
    }
    return true;
  }

  /** A run begins with a snapshot of one that has had turns already. */
  void beginAt(long turn, long sum) {
    before = turn;
    seek(turn, sum);
  }

  void seek(long turn, long sum) {
    turns = turn;
    chain = sum;
    waiting = 0;
  }
}
