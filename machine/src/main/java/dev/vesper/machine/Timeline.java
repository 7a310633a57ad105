package dev.vesper.machine;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A machine that can be run backwards. Forwards it leaves checkpoints on its way; backwards it goes
 * to one of them and from there forwards to where it is wanted, which comes to the same because a
 * machine does the same again.
 *
 * <p>A place in a run is a count of instructions of all vCPUs together. The machine is at it when
 * the next instruction is about to be executed: interrupts that come before that one are delivered,
 * and waits are over. All methods leave it at such a place, but for those that a stop from outside
 * or the guest's end has cut short.
 *
 * <p>What was given to the machine from outside on its way is given to it again. What it said is
 * not said again. For the machine's own thread, but for {@link Machine#stop}.
 *
 * {@snippet :
 * try (Timeline t = new Timeline(machine)) {
 *   t.run(Until.symbol("panic"));
 *   machine.watchpoint(address, 8, Access.WRITE);
 *   Stop s = t.back(Until.end());   // who wrote there last
 * }
 * }
 */
public final class Timeline implements AutoCloseable {
  /** Instructions between checkpoints at first. */
  private static final long INTERVAL = 20_000_000;

  /** Checkpoints at most; what is long ago has fewer. */
  private static final int MOST = 200;

  /** Bytes of copies of pages at most: a quarter of what the heap can have, and 1 GiB. */
  private static final long MOST_BYTES = Math.min(1L << 30, Runtime.getRuntime().maxMemory() / 4);

  /**
   * How far before a place to which the machine goes back checkpoints are left: who goes back once
   * goes back again.
   */
  private static final long[] NEAR = {4_000_000, 500_000, 60_000, 8_000, 1_000};

  private final Machine machine;
  private final List<Checkpoint> marks = new ArrayList<>();

  /** The last place that the machine has been to. */
  private long end;

  /**
   * The past begins where the machine is.
   *
   * @throws IllegalStateException if the machine keeps nothing of what it is given from outside
   *     although somebody is there: see {@link dev.vesper.machine.spec.MachineSpec.Builder#inputs}
   */
  public Timeline(Machine machine) {
    this.machine = machine;
    if (!machine.canGoBack()) {
      throw new IllegalStateException(
          "somebody outside gives the machine what is not kept: have its inputs kept");
    }
    mark();
    end = machine.instructions();
  }

  // ---- where

  /** {@return the place where the machine is} */
  public long now() {
    return machine.instructions();
  }

  /** {@return the first place that it can be taken back to} */
  public long begin() {
    return marks.getFirst().instructions();
  }

  /** {@return the last place that it has been to} */
  public long end() {
    return end;
  }

  /** {@return bytes that are kept of the past} */
  public long bytes() {
    return marks.stream().mapToLong(Checkpoint::bytes).sum();
  }

  private void mark() {
    Checkpoint last = marks.isEmpty() ? null : marks.getLast();
    if (last == null || last.instructions() < now()) {
      marks.add(machine.checkpoint());
      thin();
    }
  }

  /** Lets checkpoints go: those first whose neighbours are nearest, by how long ago they are. */
  private void thin() {
    while (marks.size() > MOST || marks.size() > 2 && bytes() > MOST_BYTES) {
      int least = 1;
      double of = Double.MAX_VALUE;
      for (int i = 1; i < marks.size() - 1; i++) {
        long gap = marks.get(i + 1).instructions() - marks.get(i - 1).instructions();
        long ago = now() - marks.get(i).instructions() + INTERVAL;
        if ((double) gap / ago < of) {
          of = (double) gap / ago;
          least = i;
        }
      }
      marks.remove(least).close();
    }
    while (marks.size() > 1 && bytes() > 2 * MOST_BYTES) {
      // There is no room for a past that long: it begins later.
      marks.removeFirst().close();
    }
  }

  // ---- forwards

  /**
   * Runs the machine on until something happens.
   *
   * @throws IllegalStateException if a callback has thrown in an earlier run
   */
  public Stop run(Until until) {
    boolean passes = true;
    for (; ; ) {
      long next = marks.getLast().instructions() + INTERVAL;
      Stop s = machine.run(until.or(Until.instructions(next)), passes);
      end = Math.max(end, now());
      if (!(s instanceof Stop.Limit l && l.measure() == Stop.Measure.INSTRUCTIONS)) {
        return s;
      }
      if (now() >= until.instructions) {
        return settled(s);
      }
      mark();
      passes = false;
    }
  }

  /** {@return the same, or why the machine is not at a place} */
  private Stop settled(Stop s) {
    Stop other = machine.settle();
    end = Math.max(end, now());
    return other == null ? s : other;
  }

  /**
   * Runs the machine until a vCPU has executed one more instruction; others run meanwhile as their
   * turns come.
   */
  public Stop step(int vcpu) {
    Stop s = machine.step(vcpu);
    end = Math.max(end, now());
    return s instanceof Stop.Stepped ? settled(s) : s;
  }

  // ---- backwards

  /**
   * Takes the machine to a place: back, or on as far as it has ever been.
   *
   * @return null, or what has stopped it on the way
   * @throws IllegalArgumentException if the place lies before {@link #begin} or behind {@link #end}
   */
  public @Nullable Stop seek(long place) {
    if (place < begin() || place > end) {
      throw new IllegalArgumentException(
          "known are instructions %d to %d, not %d".formatted(begin(), end, place));
    }
    int from = marks.size() - 1;
    while (marks.get(from).instructions() > place) {
      from--;
    }
    boolean back = place < now();
    if (back || marks.get(from).instructions() > now()) {
      restore(from);
    }
    if (back) {
      for (long near : NEAR) {
        if (place - near > now() + near) {
          Stop s = forward(place - near);
          if (s != null) {
            return s;
          }
          mark();
        }
      }
    }
    Stop s = forward(place);
    return s != null ? s : machine.settle();
  }

  /** Has the machine be where a checkpoint is, behind which there are none then. */
  private void restore(int mark) {
    machine.restore(marks.get(mark));
    marks.subList(mark + 1, marks.size()).clear();
  }

  /**
   * Runs the machine on to a count of instructions, whatever would stop it there.
   *
   * @return null, or what has ended the run before: the guest's end, or a stop from outside
   */
  private @Nullable Stop forward(long count) {
    boolean past = false;
    while (now() < count) {
      Stop s = machine.run(Until.instructions(count), past);
      past = true;
      if (s instanceof Stop.Ended || s instanceof Stop.Requested) {
        return s;
      }
    }
    return null;
  }

  /**
   * Takes the machine back by one instruction of a vCPU.
   *
   * @return {@link Stop.Stepped}, {@link Stop.Limit} at the beginning of the past, or what has
   *     stopped it on the way
   */
  public Stop stepBack(int vcpu) {
    long executed = machine.observer().vcpu(vcpu).instructions();
    long place = now() - 1;
    if (place >= begin()) {
      Stop s = seek(place);
      if (s != null) {
        return s;
      }
      if (machine.observer().vcpu(vcpu).instructions() < executed) {
        return new Stop.Stepped(vcpu);
      }
      // Others were at it.
      for (int i = marks.size() - 1; i >= 0; i--) {
        restore(i);
        if (machine.observer().vcpu(vcpu).instructions() < executed) {
          s = forward(vcpu, executed);
          s = s != null ? s : seek(now() - 1);
          return s != null ? s : new Stop.Stepped(vcpu);
        }
      }
    }
    Stop s = seek(begin());
    return s != null ? s : new Stop.Limit(Stop.Measure.INSTRUCTIONS);
  }

  /** The same until a vCPU has executed so many instructions of its own. */
  private @Nullable Stop forward(int vcpu, long count) {
    while (machine.observer().vcpu(vcpu).instructions() < count) {
      Stop s = machine.stepTo(vcpu, count);
      if (s instanceof Stop.Ended || s instanceof Stop.Requested) {
        return s;
      }
    }
    return null;
  }

  /**
   * Takes the machine back to the last place at which something would have stopped it on its way
   * here: breakpoints, watchpoints (before the access), or what is asked for.
   *
   * @return what that is, {@link Stop.Limit} at the beginning of the past, or what has stopped it
   *     on the way
   */
  public Stop back(Until until) {
    return back(until, s -> true);
  }

  /**
   * The same, with a condition.
   *
   * @param counts whether something does stop the machine, which is asked in each place where it
   *     might, in the order of these places from some earlier one on
   */
  public Stop back(Until until, Predicate<Stop> counts) {
    long here = now();
    long to = here;
    if (machine.hasStops() || until != Until.end()) {
      for (int i = marks.size() - 1; i >= 0; i--) {
        if (marks.get(i).instructions() > here) {
          continue;
        }
        Hit h = lastHit(i, until, to, here, counts);
        if (h == null) {
          to = marks.get(i).instructions();
          continue;
        }
        if (h.place < 0) {
          return h.stop;
        }
        Stop s = seek(h.place);
        return s != null ? s : h.stop;
      }
    }
    Stop s = seek(begin());
    return s != null ? s : new Stop.Limit(Stop.Measure.INSTRUCTIONS);
  }

  /**
   * Something that stops the machine.
   *
   * @param place where it is then, or -1 if it is where it was stopped from outside
   */
  private record Hit(long place, Stop stop) {}

  /**
   * {@return the last thing that stops the machine between a checkpoint and a place, or null}
   *
   * @param to where the next checkpoint is, or the machine was
   * @param here behind the last place that counts
   */
  private @Nullable Hit lastHit(int mark, Until until, long to, long here, Predicate<Stop> counts) {
    restore(mark);
    Hit last = null;
    boolean past = false;
    while (now() < to) {
      Stop s = machine.run(until.or(Until.instructions(to)), past);
      past = true;
      Stop access = machine.access();
      Hit h =
          switch (s) {
            case Stop.Ended e -> null;
            case Stop.Requested r -> new Hit(-1, r);
            case Stop.Limit l -> access == null ? null : new Hit(to - 1, access);
            case Stop.Watchpoint w -> new Hit(now() - 1, w);
            default -> now() < here ? new Hit(now(), s) : null;
          };
      if (s instanceof Stop.Ended || s instanceof Stop.Requested) {
        return h == null ? last : h;
      }
      if (h != null && counts.test(h.stop)) {
        last = h;
      }
    }
    return last;
  }

  // ---- another future

  /**
   * Makes the present a past with another future: somebody has changed the machine. What it did
   * before can no longer be gone back to.
   */
  public void changed() {
    marks.forEach(Checkpoint::close);
    marks.clear();
    machine.branch();
    end = now();
    mark();
  }

  /** Forgets the past; the machine stays where it is. */
  @Override
  public void close() {
    marks.forEach(Checkpoint::close);
    marks.clear();
  }
}
