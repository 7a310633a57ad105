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
 * States in memory, for as long as the run lasts, and as files where clients may write some, for
 * others. One that is gone back to becomes the last one: a machine keeps what changes behind a
 * state, so that those behind it go with what they were made of.
 */
public final class KeptStates implements Snapshots {
  /** More than anybody takes by hand, so that a stranger's take no memory without end. */
  private static final int MOST = 64;

  private static final DateTimeFormatter DATE = DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss");

  private final Supplier<Machine> machine;
  private final SnapshotFiles files;
  private final List<State> states = new ArrayList<>();
  private int taken;

  private record State(int id, String name, String date, Machine of, Checkpoint at) {}

  /**
   * @param machine gives the one that runs now
   * @param files where states are written to as well
   */
  KeptStates(Supplier<Machine> machine, SnapshotFiles files) {
    this.machine = machine;
    this.files = files;
  }

  @Override
  public List<Entry> list() {
    forgetLost();
    List<Entry> all = new ArrayList<>();
    for (State s : states) {
      all.add(
          new Entry(s.id, s.name, s.at.bytes(), s.date, s.at.virtualTime(), s.at.instructions()));
    }
    for (SnapshotFiles.Entry f : files.list()) {
      if (named(f.tag()) == null) {
        all.add(new Entry(0, f.tag(), f.bytes(), f.date().format(DATE), -1, -1));
      }
    }
    return all;
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
    String lack = m.lackOfSnapshots();
    if (files.isWanted() && lack == null) {
      files.save(m, name);
    } else if (files.isWanted()) {
      throw new Failed("'" + name + "' is kept in memory, and in no file: " + lack);
    }
  }

  @Override
  public void load(String name) throws Failed {
    forgetLost();
    if (named(name) == null && files.find(name) != null) {
      throw new Failed(
          "'" + name + "' is a file of another run: start one with -loadvm and its name");
    }
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
    // Of a file alone there is no state to be found.
    if (!files.delete(name) || named(name) != null) {
      forget(find(name));
    }
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
