package dev.vesper.cli.monitor;

import dev.vesper.machine.Checkpoint;
import dev.vesper.machine.Machine;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * States in memory, for as long as the run lasts. One that is gone back to becomes the last one: a
 * machine keeps what changes behind a state, so that those behind it go with what they were made
 * of.
 */
public final class KeptStates implements Snapshots {
  /** More than anybody takes by hand, so that a stranger's take no memory without end. */
  private static final int MOST = 64;

  private static final DateTimeFormatter DATE = DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss");

  private final Supplier<Machine> machine;
  private final List<State> states = new ArrayList<>();
  private int taken;

  private record State(int id, String name, String date, Machine of, Checkpoint at) {}

  /**
   * @param machine gives the one that runs now
   */
  public KeptStates(Supplier<Machine> machine) {
    this.machine = machine;
  }

  @Override
  public List<Entry> list() {
    forgetLost();
    return states.stream()
        .map(
            s ->
                new Entry(
                    s.id, s.name, s.at.bytes(), s.date, s.at.virtualTime(), s.at.instructions()))
        .toList();
  }

  @Override
  public void save(String name) throws Failed {
    Machine m = machine.get();
    if (!m.canGoBack()) {
      throw new Failed("what this run is given is written to a recording, and kept nowhere else");
    }
    forgetLost();
    // Those of a machine that another one has followed are of no use.
    states.removeIf(s -> s.of != m);
    State same = named(name);
    if (same == null && states.size() == MOST) {
      throw new Failed("there are " + MOST + " snapshots already: delvm takes one away");
    }
    State s = new State(++taken, name, LocalDateTime.now().format(DATE), m, m.checkpoint());
    if (same != null) {
      forget(same);
    }
    states.add(s);
  }

  @Override
  public void load(String name) throws Failed {
    forgetLost();
    State s = find(name);
    Machine m = machine.get();
    if (s.of != m) {
      throw new Failed("'" + name + "' is of the machine before the reset");
    }
    m.restore(s.at);
    m.branch();
    states.subList(states.indexOf(s) + 1, states.size()).clear();
  }

  @Override
  public void delete(String name) throws Failed {
    forget(find(name));
  }

  private void forget(State s) {
    s.at.close();
    states.remove(s);
  }

  /** A debugger may have taken the machine back to before a state, which then is no more. */
  private void forgetLost() {
    states.removeIf(s -> !s.at.isThere());
  }

  private @Nullable State named(String name) {
    return states.stream().filter(s -> s.name.equals(name)).findFirst().orElse(null);
  }

  private State find(String name) throws Failed {
    State s = named(name);
    if (s == null) {
      throw new Failed("Snapshot '" + name + "' does not exist");
    }
    return s;
  }
}
