package dev.vesper.cli;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;

/**
 * Has garbage collected before the heap has grown by it. The collector lets old objects that nobody
 * needs lie until the heap is full, which is as large as a guest may become; a guest that has
 * touched little of its memory and makes much garbage would have the process take all of it.
 */
final class HeapWatch implements AutoCloseable {
  private static final long PERIOD = TimeUnit.MILLISECONDS.toNanos(50);

  /** While next to nothing is made, as by a guest that sleeps, it is looked at less often. */
  private static final long LONGEST = TimeUnit.MILLISECONDS.toNanos(1600);

  private static final long LITTLE = 4 << 20;

  /** Bytes besides the guest's memory before there is a collection. */
  private static final long ENOUGH = 352L << 20;

  /** Bytes that must have come since the last one. */
  private static final long AGAIN = 128L << 20;

  private final LongSupplier touched;
  private final Thread thread;
  private volatile boolean over;

  /** What was in use besides the guest's memory after the last collection. */
  private long kept;

  /**
   * @param touched bytes of its memory that the guest has touched
   */
  HeapWatch(LongSupplier touched) {
    this.touched = touched;
    thread = new Thread(this::watch, "heap watch");
    thread.setDaemon(true);
    thread.start();
  }

  private void watch() {
    long period = PERIOD;
    long before = 0;
    while (!over) {
      LockSupport.parkNanos(this, period);
      long now = besides();
      period = Math.abs(now - before) < LITTLE ? Math.min(2 * period, LONGEST) : PERIOD;
      before = now;
      if (now > Math.max(ENOUGH, kept + AGAIN)) {
        System.gc();
        kept = besides();
      }
    }
  }

  private long besides() {
    Runtime r = Runtime.getRuntime();
    long guest = touched.getAsLong();
    return r.totalMemory() - r.freeMemory() - guest - (guest >> 5);
  }

  @Override
  public void close() {
    over = true;
    LockSupport.unpark(thread);
  }
}
