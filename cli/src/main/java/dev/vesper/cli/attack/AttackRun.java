package dev.vesper.cli.attack;

import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Attacks against one target. What is found out about it without an attack is kept: a run of the
 * same guest is the same, so that an instruction's number in one is its number in all.
 */
public final class AttackRun {
  private static final long PATIENCE = 200_000_000;

  /** Instructions of which a run is short: it is not worth keeping its middle. */
  private static final long SHORT = 50_000_000;

  /** Instructions before a place where a trial that is about it begins. */
  private static final long BEFORE = 100_000;

  private final Target target;
  private final Map<String, Long> places = new HashMap<>();
  private @Nullable Booted booted;
  private @Nullable Outcome untouched;
  private long length;
  private Set<Long> shared = Set.of();

  /** Makes one. */
  public AttackRun(Target target) {
    this.target = target;
  }

  /** {@return what is attacked} */
  public Target target() {
    return target;
  }

  /** {@return a run of the target that has not begun} */
  Trial trial() {
    return trial(b -> b);
  }

  /**
   * {@return a run of the target in a machine that is a little different} It has one processor, so
   * that an instruction's number says whose it is.
   */
  Trial trial(UnaryOperator<MachineSpec.Builder> change) {
    return new Trial(machine(change), target.most(), PATIENCE, false);
  }

  private Machine machine(UnaryOperator<MachineSpec.Builder> change) {
    try {
      return new Machine(change.apply(target.spec().toBuilder().processors(1)).build());
    } catch (BootException e) {
      throw new IllegalArgumentException(target.name() + ": " + e.getMessage(), e);
    }
  }

  /**
   * {@return a run of the target that strikes at a place and not before} It may have begun already,
   * so that it costs no boot.
   *
   * @param instructions number of the place, as {@link #instructionsAt} has it
   */
  Trial trialAt(long instructions) {
    return instructions < SHORT ? trial() : keptAt(instructions);
  }

  /** {@return the same, which has begun already however short the way is} */
  Trial keptAt(long instructions) {
    Booted b = booted;
    if (b == null) {
      b = new Booted(machine(s -> s));
      booted = b;
    }
    b.machine().limit(Long.MAX_VALUE, System.nanoTime() + Trial.LONGEST);
    Stop s = b.goTo(instructions - Math.min(BEFORE, instructions / 2));
    assert s == null : s;
    return new Trial(b.machine(), target.most(), PATIENCE, true);
  }

  /** {@return how the target ends when nobody attacks it} */
  Outcome untouched() {
    Outcome o = untouched;
    if (o == null) {
      try (Trial t = trial()) {
        o = t.run();
        length = t.machine().instructions();
        shared = t.shared();
        untouched = o;
      }
    }
    return o;
  }

  /** {@return numbers of the pages that were private and are shared when nobody attacks} */
  Set<Long> usuallyShared() {
    untouched();
    return shared;
  }

  /** {@return instructions of the run that nobody attacks} */
  long length() {
    untouched();
    return length;
  }

  /** Takes a machine that has not begun to a place. */
  @FunctionalInterface
  interface Way {
    /** {@return whether it has come there} */
    boolean go(AttackRun run, Machine m);
  }

  /**
   * {@return instructions executed when the target first comes to a place; -1 if it does not}
   *
   * @param key names the place for later
   */
  long instructionsAt(String key, Way way) {
    Long known = places.get(key);
    if (known == null) {
      try (Trial t = trial()) {
        known = way.go(this, t.machine()) ? t.machine().instructions() : -1L;
      }
      places.put(key, known);
    }
    return known;
  }

  /** {@return what an attack has come to} */
  public Verdict of(Attack a) {
    return a.method().carryOut(this);
  }
}
