package dev.vesper.machine.observe.html;

import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.GhcbExchange;
import dev.vesper.machine.observe.Event.MsrExchange;
import dev.vesper.machine.observe.Event.VcRaised;
import dev.vesper.machine.observe.Event.VcReturned;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;

/** Which rows belong together: a #VC, the exchanges of its handler, and its return. */
final class Vcs {
  /** A #VC that so many others have followed is not looked for any more. */
  private static final int MOST = 1 << 14;

  /** The rows of one #VC, -1 for those that there are not. */
  static final class Vc {
    /** Where #VC is delivered. */
    long raised = -1;

    /** The newest exchange: request and answer. */
    long exchange = -1;

    /** Where its handler returns. */
    long returned = -1;

    long time;
    Summary.Direction direction = Summary.Direction.NONE;

    /** Place of the interrupted instruction. */
    String interrupted = "";

    /** Place of the newest exchange. */
    String handler = "";
  }

  private final Map<Long, Vc> byNumber =
      new LinkedHashMap<>() {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Long, Vc> eldest) {
          return size() > MOST;
        }
      };

  /** Exchanges of no #VC, by the vCPUs: each is one of its own. */
  private final Map<Integer, Vc> without = new HashMap<>();

  /** Time from #VC to return, by exits. */
  final Times byExit = new Times();

  /** The same by functions that execute VMGEXIT. */
  final Times byHandler = new Times();

  /** The same by functions that #VC has interrupted. */
  final Times byPlace = new Times();

  /**
   * {@return the #VC of an event}
   *
   * @param number 0 for none: the newest exchange of the vCPU without one is meant
   */
  Vc of(Event e, long number) {
    return number == 0
        ? without.computeIfAbsent(e.at().vcpu(), k -> new Vc())
        : byNumber.computeIfAbsent(number, k -> new Vc());
  }

  /** {@return the function that an event is in, its address where nobody has given names} */
  private static String function(Event e) {
    String symbol = e.at().symbol();
    int plus = symbol.lastIndexOf('+');
    return symbol.isEmpty()
        ? Event.hex(e.at().rip())
        : plus > 0 ? symbol.substring(0, plus) : symbol;
  }

  /**
   * Takes the event of a row.
   *
   * @return its #VC, or none's
   */
  Vc row(Event e, long row, long number, String exit) {
    Vc v = of(e, number);
    switch (e) {
      case VcRaised x -> {
        v.raised = row;
        v.time = x.at().time();
        v.direction = Summary.direction(x);
        v.interrupted = function(e);
      }
      case GhcbExchange x -> exchanged(e, row, number);
      case MsrExchange x -> exchanged(e, row, number);
      case VcReturned x -> {
        v.returned = row;
        if (v.raised >= 0) {
          long took = x.at().time() - v.time;
          byExit.add(exit, took, x.spent());
          byHandler.add(v.handler.isEmpty() ? "no exchange" : v.handler, took, x.spent());
          byPlace.add(v.interrupted, took, x.spent());
        }
      }
      default -> {
        // of no #VC, or only in the time of one
      }
    }
    return v;
  }

  private void exchanged(Event e, long row, long number) {
    if (number == 0) {
      // Findings about the one before keep its row.
      without.put(e.at().vcpu(), new Vc());
    }
    Vc v = of(e, number);
    v.exchange = row;
    v.handler = function(e);
  }
}
