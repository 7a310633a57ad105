package dev.vesper.cli.monitor;

import dev.vesper.machine.Machine;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Tally;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The last events of a run, and how often there was which #VC. Later ones push earlier ones out.
 * Those that lie in the future of a machine that was taken back are not shown; they are forgotten
 * when it comes to another future.
 */
final class RecentEvents implements Consumer<Event> {
  private static final int MOST = 4096;

  /**
   * An event that is kept.
   *
   * @param until what had happened with it
   * @param machine the how manieth of the run it was of
   */
  record Kept(Event event, Tally until, int machine) {}

  private final Deque<Kept> last = new ArrayDeque<>();
  private final Map<Integer, Long> raised = new TreeMap<>();
  private @Nullable Machine machine;
  private int machines;

  /** Whether earlier events of this machine were pushed out. */
  private boolean pushed;

  /** Whether this machine was taken back to before all that were kept, and went on elsewhere. */
  private boolean lost;

  /** Events from now on are those of a machine that follows. */
  void of(Machine m) {
    machine = m;
    machines++;
    pushed = false;
    lost = false;
  }

  private Tally now() {
    Machine m = machine;
    return m == null ? Tally.NONE : m.tally();
  }

  private boolean isPast(Kept k, Tally now) {
    return k.machine != machines || k.until.events() <= now.events();
  }

  @Override
  public void accept(Event e) {
    if (e instanceof Event.Place) {
      return;
    }
    Tally now = now();
    while (!last.isEmpty()
        && last.getLast().machine == machines
        && last.getLast().until.events() >= now.events()) {
      // Somebody went back and had another future begin.
      count(last.removeLast().event, -1);
    }
    lost |= pushed && (last.isEmpty() || last.getLast().machine != machines);
    count(e, 1);
    last.addLast(new Kept(e, now, machines));
    if (last.size() > MOST) {
      pushed |= last.removeFirst().machine == machines;
    }
  }

  private void count(Event e, long by) {
    if (e instanceof Event.VcRaised v) {
      raised.merge(v.exit(), by, Long::sum);
    }
  }

  /** {@return whether the machine was taken back further than events are kept} */
  boolean isForgotten() {
    return lost || pushed && !last.isEmpty() && !isPast(last.getFirst(), now());
  }

  /**
   * {@return how often each #VC was raised until now, by its error code; nothing if that is {@link
   * #isForgotten}}
   */
  Map<Integer, Long> raised() {
    Map<Integer, Long> counts = new TreeMap<>();
    if (!isForgotten()) {
      counts.putAll(raised);
      Tally now = now();
      for (Kept k : last.reversed()) {
        if (isPast(k, now)) {
          break;
        }
        if (k.event instanceof Event.VcRaised v) {
          counts.merge(v.exit(), -1L, Long::sum);
        }
      }
      counts.values().removeIf(n -> n == 0);
    }
    return counts;
  }

  /** {@return the last so many of some until now, the earliest first} */
  List<Kept> kept(int most, Predicate<Event> which) {
    Tally now = now();
    List<Kept> found = new ArrayList<>();
    for (Kept k : last.reversed()) {
      if (found.size() == most) {
        break;
      }
      if (isPast(k, now) && which.test(k.event)) {
        found.add(k);
      }
    }
    return found.reversed();
  }

  /** {@return the same without what had happened with them} */
  List<Event> last(int most, Predicate<Event> which) {
    return kept(most, which).stream().map(Kept::event).toList();
  }
}
