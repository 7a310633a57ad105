package dev.vesper.cli;

import dev.vesper.machine.spec.Outcome;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/**
 * The signals by which users and job systems end a program. The first one ends the run as its guest
 * would, so that all that is written of it is complete; the second ends the process at once.
 */
final class Signals implements AutoCloseable {
  private static final List<String> NAMES = List.of("INT", "TERM", "HUP");

  private final Ending ending;

  /** Called at the first signal. */
  private Runnable hurry = () -> {};

  private final Map<Signal, SignalHandler> before = new LinkedHashMap<>();
  private boolean came;

  /**
   * @param ending is told how the run is to end
   */
  Signals(Ending ending) {
    this.ending = ending;
    NAMES.forEach(this::handle);
  }

  /**
   * Says what is to happen when the first signal has come: nobody is to be waited for any more who
   * does not take what is written.
   */
  synchronized void hurry(Runnable r) {
    hurry = r;
    if (came) {
      r.run();
    }
  }

  private void handle(String name) {
    Signal s = signal(name);
    if (s == null) {
      return;
    }
    SignalHandler old = Signal.handle(s, this::came);
    if (old == SignalHandler.SIG_IGN) {
      // As nohup wants it, and shells for what they run in the background.
      Signal.handle(s, old);
    } else {
      before.put(s, old);
    }
  }

  /** {@return a signal, or null if this system or this JVM's options have none} */
  private static @Nullable Signal signal(String name) {
    try {
      return new Signal(name);
    } catch (IllegalArgumentException e) {
      return null;
    }
  }

  private synchronized void came(Signal s) {
    int status = 128 + s.getNumber();
    if (came) {
      Runtime.getRuntime().halt(status);
    }
    came = true;
    ending.end(new Outcome(status, "SIG" + s.getName() + " has ended the run"));
    hurry.run();
  }

  @Override
  public void close() {
    before.forEach(Signal::handle);
  }
}
