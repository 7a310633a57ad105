package dev.vesper.cli.monitor;

import dev.vesper.machine.observe.Event;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.Predicate;

/**
 * The last events of a run, and how often there was which #VC. Later ones push earlier ones out.
 */
final class RecentEvents implements Consumer<Event> {
  private static final int MOST = 4096;

  private final Deque<Event> last = new ArrayDeque<>();
  private final Map<Integer, Long> raised = new TreeMap<>();
  private long count;

  @Override
  public void accept(Event e) {
    if (e instanceof Event.Place) {
      return;
    }
    count++;
    if (e instanceof Event.VcRaised v) {
      raised.merge(v.exit(), 1L, Long::sum);
    }
    last.addLast(e);
    if (last.size() > MOST) {
      last.removeFirst();
    }
  }

  /** {@return how many there were} */
  long count() {
    return count;
  }

  /** {@return how often each #VC was raised, by its error code} */
  Map<Integer, Long> raised() {
    return raised;
  }

  /** {@return the last so many of some, the earliest first} */
  List<Event> last(int most, Predicate<Event> which) {
    List<Event> found = new ArrayList<>();
    for (Event e : last.reversed()) {
      if (found.size() == most) {
        break;
      }
      if (which.test(e)) {
        found.add(e);
      }
    }
    return found.reversed();
  }
}
