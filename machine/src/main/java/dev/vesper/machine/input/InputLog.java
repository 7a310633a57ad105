package dev.vesper.machine.input;

import dev.vesper.machine.state.OwnState;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Where a machine asks whether somebody outside has something for it. Live it asks on, and what it
 * is given is written down before anything in the machine knows of it; replayed it gives the same
 * bytes at the same points and nobody is asked.
 *
 * <p>A point is a question, or the beginning of a vCPU's turn, or anything else between turns that
 * the machine counts by {@link #point}. Which points a run comes to follows from image, options,
 * seed and what it was given at earlier ones, whatever translates its code and whoever looks on. So
 * a point's number names the same moment in each run of a machine; a count of instructions does
 * not, because a guest that waits executes none.
 *
 * <p>For one thread, that of the machine.
 */
public final class InputLog implements OwnState {
  /** Somebody outside. */
  @FunctionalInterface
  public interface Live {
    /** {@return what there is now, or null for nothing} */
    byte @Nullable [] poll();
  }

  /**
   * Where a log is in its run; to be kept with a state of the machine, and given to {@link #seek}
   * with it.
   *
   * @param point the machine's last point
   * @param consoleEnded whether nothing can come to COM1 any more
   * @param turns how many turns have ended
   * @param chain what all turns so far come to
   * @param changes how often somebody has changed the machine
   */
  public record Position(long point, boolean consoleEnded, long turns, long chain, int changes) {}

  /** What was written, and in a replay what is to come; null if none of it is kept. */
  private final transient @Nullable List<InputRecord> kept;

  private final transient @Nullable Consumer<InputRecord> sink;
  private final boolean goesLive;
  private final transient @Nullable RunEnd end;

  /** What a recording has of changes, and how many of all there were. */
  private final transient List<InputChange> changes;

  private transient int changed;
  private final transient @Nullable Consumer<InputChange> changeSink;
  private final transient TurnDigests digests;
  private transient LongSupplier clock = () -> 0;
  private transient long point;
  private transient int next;
  private transient boolean consoleEnded;
  private transient @Nullable Difference difference;

  /** The last point at which those outside were asked: earlier ones are past, and known. */
  private transient long asked;

  private InputLog(
      @Nullable List<InputRecord> kept,
      @Nullable Consumer<InputRecord> sink,
      boolean goesLive,
      @Nullable RunEnd end,
      TurnDigests digests,
      List<InputChange> changes,
      @Nullable Consumer<InputChange> changeSink) {
    this.kept = kept;
    this.sink = sink;
    this.goesLive = goesLive;
    this.end = end;
    this.digests = digests;
    this.changes = changes;
    this.changeSink = changeSink;
  }

  private static InputLog kept(List<InputRecord> known) {
    return new InputLog(known, null, true, null, TurnDigests.none(), List.of(), null);
  }

  /** {@return a log of which nothing is kept} */
  public static InputLog live() {
    return new InputLog(null, null, true, null, TurnDigests.none(), List.of(), null);
  }

  /** {@return a log that keeps what was given, so that it can be sought in} */
  public static InputLog kept() {
    return kept(new ArrayList<>());
  }

  /**
   * {@return a log that has what was given written}
   *
   * @param to is told of each record before the machine is given it
   */
  public static InputLog recording(RecordingWriter to) {
    return new InputLog(
        null, to::input, true, null, TurnDigests.recording(to), List.of(), to::change);
  }

  /** {@return a log that gives what a recording has, and at its end ends the run} */
  public static InputLog replaying(Recording r) {
    return new InputLog(
        r.inputs(), null, false, r.end(), TurnDigests.checking(r), r.changes(), null);
  }

  /**
   * {@return a log that gives what is known, and then what comes}
   *
   * @param known in the order of their points
   */
  public static InputLog continuing(List<InputRecord> known) {
    return kept(new ArrayList<>(known));
  }

  /** Says how many instructions the machine that asks has executed. */
  public void clock(LongSupplier instructions) {
    clock = instructions;
  }

  /** {@return what was given so far and is known to come, if it is kept} */
  public List<InputRecord> records() {
    return kept == null ? List.of() : List.copyOf(kept);
  }

  /** {@return what turns come to} */
  public TurnDigests digests() {
    return digests;
  }

  /** {@return whether what comes next is known already, so that nobody outside is asked} */
  public boolean replays() {
    return kept != null && next < kept.size() || !goesLive || point < asked;
  }

  /** {@return whether the run is one that a recording has, or is to have} */
  public boolean isFixed() {
    return sink != null || !goesLive;
  }

  /** {@return whether what happens is written to a recording} */
  public boolean isRecorded() {
    return sink != null;
  }

  /** Counts a point at which nobody is asked. */
  public void point() {
    point++;
  }

  /**
   * Asks.
   *
   * @param live is asked if what comes is not known
   * @return what there is, or null for nothing
   */
  public byte @Nullable [] ask(Source source, Live live) {
    point++;
    if (difference != null) {
      return null;
    }
    List<InputRecord> all = kept;
    if (all != null && next < all.size()) {
      InputRecord r = all.get(next);
      return point < r.point() ? null : given(r, source);
    }
    if (point <= asked) {
      return null;
    }
    asked = point;
    byte[] b = goesLive ? live.poll() : null;
    if (b != null) {
      written(new InputRecord(point, clock.getAsLong(), source, b));
    }
    return b;
  }

  private byte @Nullable [] given(InputRecord r, Source source) {
    long now = clock.getAsLong();
    if (point > r.point() || r.source() != source || r.instructions() != now) {
      differs(
          "the recording has something of "
              + r.source()
              + " at instruction "
              + r.instructions()
              + ", where the replay asks "
              + (point > r.point() ? "nobody" : source));
      return null;
    }
    next++;
    consoleEnded |= source == Source.CONSOLE_END;
    return r.bytes();
  }

  private void written(InputRecord r) {
    consoleEnded |= r.source() == Source.CONSOLE_END;
    if (sink != null) {
      sink.accept(r);
    }
    if (kept != null) {
      kept.add(r);
      next = kept.size();
    }
  }

  /** {@return whether the machine was told that nothing can come to COM1 any more} */
  public boolean consoleEnded() {
    return consoleEnded;
  }

  // ---- changes

  /**
   * Somebody is about to change the machine where it stands.
   *
   * @param inside whether a vCPU is in its turn
   * @param registers what all of them come to before
   * @param what is changed, in a form that its maker understands
   */
  public void change(boolean inside, long registers, byte[] what) {
    changed++;
    if (changeSink != null) {
      changeSink.accept(new InputChange(point, clock.getAsLong(), inside, registers, what));
    }
  }

  private @Nullable InputChange nextChange() {
    return difference != null || changed >= changes.size() ? null : changes.get(changed);
  }

  /**
   * {@return whether the replayed run was changed where the machine is now}
   *
   * @param inside whether a vCPU is in its turn
   */
  public boolean isChangeDue(boolean inside) {
    InputChange c = nextChange();
    if (c == null || point < c.point()) {
      return false;
    }
    if (point == c.point() && c.inside() == inside && clock.getAsLong() == c.instructions()) {
      return true;
    }
    if (point == c.point() && (inside || !c.inside()) && clock.getAsLong() < c.instructions()
        || point == c.point() && inside && !c.inside()) {
      return false;
    }
    differs(
        "the recorded run was changed by somebody at instruction "
            + c.instructions()
            + ", where the replay has not been");
    return false;
  }

  /**
   * {@return the count of instructions at which a replayed run was changed in the turn that has
   * begun, or {@link Long#MAX_VALUE}}
   */
  public long changesInTurn() {
    InputChange c = nextChange();
    return c != null && c.inside() && c.point() == point ? c.instructions() : Long.MAX_VALUE;
  }

  /**
   * {@return the change that is due, which is no longer}
   *
   * @param registers what all of them come to; null is returned if they are not the recording's
   */
  public byte @Nullable [] takeChange(long registers) {
    InputChange c = nextChange();
    if (c == null) {
      return null;
    }
    if (c.registers() != registers) {
      differs("registers are not those of the recording, where somebody has changed the machine");
      return null;
    }
    changed++;
    return c.what();
  }

  // ---- ends and differences

  /**
   * {@return how a replayed run ends where the machine is now, or null if it goes on}
   *
   * @param inside whether a vCPU is in its turn
   */
  public @Nullable RunEnd endsHere(boolean inside) {
    RunEnd e = outerEnd();
    if (e == null || point < e.point()) {
      return null;
    }
    if (point > e.point() || e.inside() && !inside) {
      // Behind it, which a replay that is not the recorded run may be.
      return e;
    }
    return inside == e.inside() && clock.getAsLong() >= e.instructions() ? e : null;
  }

  /**
   * {@return the count of instructions at which a replayed run ends in the turn that has begun, or
   * {@link Long#MAX_VALUE}}
   */
  public long endsInTurn() {
    RunEnd e = outerEnd();
    return e != null && e.inside() && e.point() == point ? e.instructions() : Long.MAX_VALUE;
  }

  /** {@return the end of a replayed run that does not come by itself, or null} */
  private @Nullable RunEnd outerEnd() {
    RunEnd e = end;
    return goesLive || e == null || e.cause() == RunEnd.Cause.MACHINE ? null : e;
  }

  /** {@return how the recorded run has ended, or null of none that is replayed} */
  public @Nullable RunEnd recordedEnd() {
    return end;
  }

  /** {@return the first difference between a replay and what was recorded, or null} */
  public @Nullable Difference difference() {
    return difference;
  }

  /** Says that a replay is not what was recorded: nothing is given from here on. */
  public void differs(String what) {
    if (difference == null) {
      difference = new Difference(point, clock.getAsLong(), what);
    }
  }

  // ---- positions

  /** {@return the machine's last point} */
  public long at() {
    return point;
  }

  /** {@return where it is} */
  public Position position() {
    return new Position(point, consoleEnded, digests.turns(), digests.chain(), changed);
  }

  /**
   * Goes to where it was in an earlier state of the machine, or would be in a later one: what was
   * given behind that is given again, and behind the last of it who is outside is asked.
   *
   * @throws IllegalStateException if what was given is not kept
   */
  public void seek(Position p) {
    if (kept == null) {
      throw new IllegalStateException("nothing is kept of this log that could be given again");
    }
    go(p);
  }

  /**
   * Forgets what was given behind the present: it becomes a past with another future.
   *
   * @throws IllegalStateException if nothing is kept
   */
  public void forgetFuture() {
    List<InputRecord> all = kept;
    if (all == null) {
      throw new IllegalStateException("nothing is kept of this log that could be forgotten");
    }
    all.subList(next, all.size()).clear();
    asked = point;
  }

  /** {@return whether what is given is kept, so that it can be given again} */
  public boolean isKept() {
    return kept != null;
  }

  /** {@return where it is, as numbers} */
  @Override
  public Object ownState() {
    return new long[] {point, consoleEnded ? 1 : 0, digests.turns(), digests.chain(), changed};
  }

  @Override
  public void ownState(Object state) {
    long[] s = (long[]) state;
    go(new Position(s[0], s[1] != 0, s[2], s[3], s.length > 4 ? (int) s[4] : 0));
  }

  private void go(Position p) {
    List<InputRecord> all = kept == null ? List.of() : kept;
    // A recording begins where its first machine does, which may be in a snapshot of another run.
    boolean begins = isFixed() && point == 0 && p.point() > 0;
    point = p.point();
    consoleEnded = p.consoleEnded();
    difference = null;
    if (begins) {
      digests.beginAt(p.turns(), p.chain());
    } else {
      digests.seek(p.turns(), p.chain());
    }
    changed = begins ? 0 : p.changes();
    next = 0;
    while (next < all.size() && all.get(next).point() <= point) {
      next++;
    }
  }
}
