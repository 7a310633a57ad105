package dev.vesper.fuzz;

import dev.vesper.machine.Machine;
import org.jspecify.annotations.Nullable;

/**
 * Stops a machine that does not come back. One thread looks at all executions of an executor: a
 * thread for each would take longer than most executions do.
 */
final class Patience implements AutoCloseable {
  private static final long LOOK_MILLIS = 1_000;

  private @Nullable Thread thread;
  private @Nullable Machine waited;
  private long deadline;
  private boolean over;

  /**
   * An execution begins.
   *
   * @param nanos real time that it may take
   */
  synchronized void begin(Machine m, long nanos) {
    waited = m;
    deadline = System.nanoTime() + nanos;
    over = false;
    if (thread == null) {
      thread = Thread.ofPlatform().daemon().name("vesper-patience").start(this::look);
    }
  }

  /** {@return whether the execution that has ended now was stopped} */
  synchronized boolean end() {
    waited = null;
    return over;
  }

  private synchronized void stop() {
    Machine m = waited;
    if (m != null && System.nanoTime() - deadline > 0) {
      over = true;
      m.stop();
    }
  }

  private void look() {
    try {
      while (true) {
        Thread.sleep(LOOK_MILLIS);
        stop();
      }
    } catch (InterruptedException e) {
      // It is closed.
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public synchronized void close() {
    waited = null;
    if (thread != null) {
      thread.interrupt();
    }
  }
}
