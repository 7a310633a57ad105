package dev.vesper.cli.attack;

import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Registration;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.host.Exit;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.PageState;
import dev.vesper.machine.spec.Outcome;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * One run of a target with an attack under way, and what an observer has seen of it. Whoever plays
 * the host says when it has lied; what follows from there on is what counts.
 */
final class Trial implements AutoCloseable {
  /** Instructions between looks whether enough is seen. */
  private static final long SLICE = 10_000_000;

  /** Real time after which a trial is given up, in nanoseconds. */
  static final long LONGEST = 600_000_000_000L;

  private final Machine machine;
  private final boolean kept;
  private final List<Registration> listeners = new ArrayList<>();
  private final long most;
  private final long patience;
  private boolean pending;
  private long lies;
  private long firstLie;
  private long vcOfLie;
  private boolean linked;
  private Event.@Nullable VcReturned returned;
  private @Nullable String termination;
  private long exchanges;
  private final Set<Long> opened = new HashSet<>();
  private final Set<Long> requests = new HashSet<>();
  private final Set<Long> shared = new HashSet<>();

  /**
   * @param most instructions after which the run has told enough
   * @param patience the same behind the first lie
   * @param kept whether the machine is another's, who takes it back
   */
  Trial(Machine machine, long most, long patience, boolean kept) {
    this.machine = machine;
    this.kept = kept;
    this.most = most;
    this.patience = patience;
    machine.limit(Long.MAX_VALUE, System.nanoTime() + LONGEST);
    on(Event.MsrExchange.class, this::exchanged);
    on(Event.GhcbExchange.class, this::exchanged);
    on(Event.VcReturned.class, this::returned);
    on(Event.PageStateChanged.class, this::opened);
  }

  /** Tells of events of a type until the trial is over. */
  <E extends Event> void on(Class<E> type, Consumer<? super E> listener) {
    listeners.add(machine.on(type, listener));
  }

  /** {@return instructions after which the run has told enough} */
  long most() {
    return most;
  }

  Machine machine() {
    return machine;
  }

  /** The host has lied in the exchange that it answers now. */
  void lied(Exit exit) {
    if (lies++ == 0) {
      pending = true;
      firstLie = exit.instructions();
    }
  }

  private void exchanged(Event.MsrExchange e) {
    if (MsrRequest.info(e.request()) == MsrRequest.TERM_REQ) {
      long reason = e.request() >>> 12;
      termination = (reason & 15) + ":" + (reason >>> 4 & 0xFF);
      return;
    }
    exchanged(e.vc());
  }

  private void exchanged(Event.GhcbExchange e) {
    requests.add(e.ghcb() >>> 12);
    exchanged(e.vc());
  }

  private void exchanged(long vc) {
    if (pending) {
      pending = false;
      linked = vc != 0;
      vcOfLie = vc;
    } else if (lies > 0) {
      exchanges++;
    }
  }

  private void returned(Event.VcReturned e) {
    if (linked && e.vc() == vcOfLie && returned == null) {
      returned = e;
    }
  }

  private void opened(Event.PageStateChanged e) {
    if (e.from() == PageState.PRIVATE && e.to() == PageState.SHARED) {
      shared.add(e.gpa() >>> 12);
      if (lies > 0) {
        opened.add(e.gpa() >>> 12);
      }
    }
  }

  /** {@return how often the host has lied} */
  long lies() {
    return lies;
  }

  /** {@return the return of the #VC in whose exchange the host lied first, or null} */
  Event.@Nullable VcReturned returned() {
    return returned;
  }

  /** {@return whether the first lie was told to the handler of a #VC} */
  boolean toHandler() {
    return linked;
  }

  /** {@return reason set and code of the guest's request to be ended, or null} */
  @Nullable String termination() {
    return termination;
  }

  /** {@return exchanges since the one with the first lie, requests to be ended apart} */
  long exchanges() {
    return exchanges;
  }

  /** {@return numbers of the pages that were private and that the guest has touched as shared} */
  Set<Long> shared() {
    return Set.copyOf(shared);
  }

  /**
   * {@return how many pages that were private the guest has touched as shared since the lie, those
   * apart in which it makes requests}
   *
   * @param usual pages that it shares when nobody attacks it
   */
  int opened(Set<Long> usual) {
    Set<Long> all = new HashSet<>(opened);
    all.removeAll(requests);
    all.removeAll(usual);
    return all.size();
  }

  /** {@return instructions since the first lie} */
  long since() {
    return machine.instructions() - firstLie;
  }

  /** Runs to the end, or as far as tells enough of a lie to the handler of a #VC. */
  Outcome run() {
    return run(true);
  }

  /**
   * Runs to the end, or as far as tells enough.
   *
   * @param handler the return of the handler that was lied to is enough
   */
  Outcome run(boolean handler) {
    for (long next = SLICE; ; next = machine.instructions() + SLICE) {
      Stop s = machine.run(Until.instructions(next));
      if (s instanceof Stop.Ended e) {
        return e.outcome();
      }
      if (s instanceof Stop.Limit l && l.measure() == Stop.Measure.REAL_TIME) {
        return new Outcome(Outcome.LIMIT, s.description());
      }
      boolean told = lies > 0 && (handler && returned != null || since() > patience);
      if (told || machine.instructions() >= most) {
        return new Outcome(Outcome.LIMIT, "enough is seen");
      }
    }
  }

  /**
   * {@return how the guest has ended itself, or null if it has not}
   *
   * @param o how the run ended
   */
  @Nullable String ending(Outcome o) {
    if (termination != null) {
      return "asks to be ended, " + termination;
    }
    if (o.is(Outcome.SHUTDOWN)) {
      return "shuts down by a triple fault";
    }
    if (o.is(Outcome.PAGE_REFUSED)) {
      return "cannot go on: the page is refused";
    }
    return null;
  }

  @Override
  public void close() {
    listeners.forEach(Registration::close);
    if (kept) {
      return;
    }
    try {
      machine.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
