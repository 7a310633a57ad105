package dev.vesper.cli;

import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.observe.format.PackedEvents;
import dev.vesper.machine.spec.Outcome;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A run that is written to a snapshot. It stops there as a debugged one does: what ends a run
 * otherwise, the machine's own limits, would take the processor out of the guest and change what
 * comes behind.
 */
final class SnapshotRun {
  private final SnapshotOptions said;
  private final Outputs outputs;
  private final Ending ending;
  private final @Nullable PackedEvents told;
  private final BreakOn breakOn;

  /** Called when the end of a run is written, which takes its own time. */
  private final Runnable over;

  private boolean written;

  /** A replay has the machine's limits from the beginning on, and so has what it replays. */
  private final boolean recorded;

  /**
   * @param told is told of all events, which go into the snapshot; null if nobody asks for them
   * @param breakOn at which breaches the run ends
   */
  SnapshotRun(
      SnapshotOptions said,
      boolean recorded,
      Outputs outputs,
      Ending ending,
      @Nullable PackedEvents told,
      BreakOn breakOn,
      Runnable over) {
    this.recorded = recorded;
    this.said = said;
    this.outputs = outputs;
    this.ending = ending;
    this.told = told;
    this.breakOn = breakOn;
    this.over = over;
    if (!said.isPlaced()) {
      ending.onlyStops();
    }
  }

  /**
   * Runs a machine to its end, or to what ends the run.
   *
   * @param instructions that it may execute
   * @param end a point of {@link System#nanoTime}, or {@link Long#MAX_VALUE}
   * @param why why the run is to end, or null
   * @param between is done whenever the machine stands still
   */
  Outcome run(
      Machine m, long instructions, long end, Supplier<@Nullable Outcome> why, Runnable between) {
    boolean placed = said.isPlaced();
    if (recorded) {
      m.limit(instructions, end);
    }
    for (; ; ) {
      if (placed && written) {
        m.limit(instructions, end);
        Outcome o = breakOn.run(m);
        if (!m.stopped()) {
          return o;
        }
        between.run();
        continue;
      }
      // Not the machine's own limits yet: where they are met a trace has its end.
      Until limits = (recorded ? Until.end() : limits(instructions, end)).or(breakOn.until());
      switch (m.run(placed ? limits.or(said.place()) : limits)) {
        case Stop.Ended e -> {
          sayNone(e.outcome());
          return e.outcome();
        }
        case Stop.Requested r -> {
          Outcome o = why.get();
          if (o != null && !placed) {
            over.run();
            write(m);
            return ended(m, o);
          }
          between.run();
        }
        case Stop.Limit l when placed && m.instructions() == said.count() -> write(m);
        case Stop.Breakpoint b -> write(m);
        case Stop.Happened h -> {
          if (!placed) {
            over.run();
            write(m);
          }
          Outcome o = breakOn.end(m);
          sayNone(o);
          return o;
        }
        case Stop.Limit l when recorded -> {
          // The machine's own, with which a trace has its end.
          Outcome o = limit(l, instructions);
          sayNone(o);
          return o;
        }
        default -> {
          if (!placed) {
            over.run();
            write(m);
          }
          m.limit(instructions, end);
          Outcome o = m.run();
          sayNone(o);
          return o;
        }
      }
    }
  }

  private static Outcome limit(Stop.Limit l, long instructions) {
    return new Outcome(
        Outcome.LIMIT,
        l.measure() == Stop.Measure.INSTRUCTIONS
            ? "instruction limit of " + instructions + " reached"
            : "time limit reached");
  }

  private static Until limits(long instructions, long end) {
    Until u = instructions == Long.MAX_VALUE ? Until.end() : Until.instructions(instructions);
    return end == Long.MAX_VALUE
        ? u
        : u.within(Duration.ofNanos(Math.max(0, end - System.nanoTime())));
  }

  /** {@return how a run ends that was stopped} Traces end with it too. */
  private static Outcome ended(Machine m, Outcome o) {
    m.end(o);
    return m.run();
  }

  private void sayNone(Outcome o) {
    if (!written) {
      written = true;
      Terminal.say(
          "--snapshot-out: "
              + (said.isPlaced()
                  ? "the run has ended before it came to " + said.placeName()
                  : "the guest has come to its end (" + o.reason() + ")")
              + ": there is no snapshot");
    }
  }

  private void write(Machine m) {
    written = true;
    Path p = Objects.requireNonNull(said.out());
    ending.write(
        p.toString(),
        () -> {
          outputs.write(p, (file, stream) -> save(m, file, stream));
          if (told != null && !told.isWhole()) {
            Terminal.say(
                "--snapshot-out: more has happened than it can say: checking starts there");
          }
          Terminal.say(
              "snapshot of "
                  + m.instructions()
                  + " instructions in "
                  + p
                  + ": go on with -loadvm "
                  + p);
        });
  }

  private void save(Machine m, @Nullable SeekableByteChannel file, OutputStream stream)
      throws IOException {
    try {
      if (file == null) {
        m.save(stream, told);
      } else {
        m.save(file, told);
      }
    } catch (IllegalStateException e) {
      throw new UserError("--snapshot-out " + said.out() + ": " + e.getMessage());
    }
  }
}
