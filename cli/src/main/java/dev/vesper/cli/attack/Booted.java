package dev.vesper.cli.attack;

import dev.vesper.machine.Checkpoint;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.observe.Event;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/**
 * A machine that has run some way without an attack, and is taken back there for each of several:
 * what comes behind a place is the same as in a machine that was begun anew, and costs no boot.
 */
final class Booted {
  private final Machine machine;

  /** In order of their instructions, the latest first. */
  private final Deque<Checkpoint> moments = new ArrayDeque<>();

  /**
   * @param machine one that has not begun
   */
  Booted(Machine machine) {
    this.machine = machine;
    // Observers are part of a moment: one that is there from the beginning knows of what was before
    // it.
    machine.on(Event.VcReturned.class, e -> {});
    moments.push(machine.checkpoint());
  }

  Machine machine() {
    return machine;
  }

  /**
   * Has the machine stand where it has executed so many instructions, with nobody in its host's
   * part.
   *
   * @return why it does not come there, or null
   */
  @Nullable Stop goTo(long instructions) {
    Checkpoint c = moments.getFirst();
    while (c.instructions() > instructions) {
      moments.pop().close();
      c = moments.getFirst();
    }
    machine.restore(c);
    machine.branch();
    if (c.instructions() == instructions) {
      return null;
    }
    Stop s = machine.run(Until.instructions(instructions));
    if (machine.instructions() != instructions) {
      return s;
    }
    moments.push(machine.checkpoint());
    return null;
  }
}
