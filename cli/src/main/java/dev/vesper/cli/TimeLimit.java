package dev.vesper.cli;

import dev.vesper.machine.spec.Outcome;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;

/**
 * The real time that a command may take for a launch and a run. The machine keeps to it by itself;
 * a launch cannot be stopped, nor a write that nobody takes, and so they end with the process.
 */
final class TimeLimit implements AutoCloseable {
  /** What a machine may take to notice that its time is up. */
  private static final long GRACE = TimeUnit.MILLISECONDS.toNanos(900);

  /** How long it is waited for somebody who reads why the process ends. */
  private static final long LAST_WORD_MS = 80;

  /** How long it is waited behind the run for somebody who reads what came of it. */
  private static final long TO_SHOW = TimeUnit.SECONDS.toNanos(5);

  private static final long TICK = TimeUnit.MILLISECONDS.toNanos(100);

  private final Thread clock;
  private final IntConsumer halt;
  private volatile boolean ended;
  private volatile boolean closed;
  private volatile int status;

  /**
   * @param end a point of {@link System#nanoTime}, or {@link Long#MAX_VALUE} for none
   * @param halt ends the process with a status
   */
  TimeLimit(long end, IntConsumer halt) {
    this.halt = halt;
    clock = new Thread(() -> watch(end), "time limit of the command");
    clock.setDaemon(true);
    if (end != Long.MAX_VALUE) {
      clock.start();
    }
  }

  private void watch(long end) {
    for (long left = end + GRACE - System.nanoTime();
        left > 0 && !ended && !closed;
        left = end + GRACE - System.nanoTime()) {
      LockSupport.parkNanos(this, left);
    }
    if (!ended && !closed) {
      lastWord();
      halt.accept(Outcome.LIMIT);
    }
    while (!closed) {
      LockSupport.parkNanos(this, TICK);
      if (!closed && Terminal.stuck(TO_SHOW)) {
        halt.accept(status);
      }
    }
  }

  /**
   * Says why the process ends, to whoever reads it: what holds the run up may be that nobody does.
   */
  private static void lastWord() {
    Thread t =
        new Thread(() -> Terminal.say("time limit reached, and nothing more can be written"));
    t.setDaemon(true);
    t.start();
    try {
      t.join(LAST_WORD_MS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /**
   * The run is over. Files that are written at its end may take as long as they take; nobody is
   * waited for who does not read what is said.
   *
   * @param result the status that the run has come to
   */
  void ended(int result) {
    status = result;
    ended = true;
    LockSupport.unpark(clock);
  }

  @Override
  public void close() {
    closed = true;
    LockSupport.unpark(clock);
  }
}
