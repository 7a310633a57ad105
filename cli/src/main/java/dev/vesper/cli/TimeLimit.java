package dev.vesper.cli;

import dev.vesper.machine.spec.Outcome;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * The real time that a command may take for a launch and a run. The machine keeps to it by itself;
 * a launch cannot be stopped, and so ends with the process.
 */
final class TimeLimit implements AutoCloseable {
  /** What a machine may take to notice that its time is up. */
  private static final long GRACE = TimeUnit.MILLISECONDS.toNanos(900);

  private final Thread clock;
  private volatile boolean over;

  /**
   * @param end a point of {@link System#nanoTime}, or {@link Long#MAX_VALUE} for none
   */
  TimeLimit(long end) {
    clock = new Thread(() -> await(end), "time limit of the command");
    clock.setDaemon(true);
    if (end != Long.MAX_VALUE) {
      clock.start();
    }
  }

  private void await(long end) {
    for (long left = end + GRACE - System.nanoTime();
        left > 0 && !over;
        left = end + GRACE - System.nanoTime()) {
      LockSupport.parkNanos(this, left);
    }
    if (!over) {
      Terminal.say("time limit reached, and nothing more can be written");
      Runtime.getRuntime().halt(Outcome.LIMIT);
    }
  }

  /** The run is over: what is written at its end may take as long as it takes. */
  @Override
  public void close() {
    over = true;
    LockSupport.unpark(clock);
  }
}
