package dev.vesper.cli;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * A pipe, a terminal or a device that may be slow to take what is written, or never take it. A
 * thread of its own waits for it; who writes is let go when a deadline has passed, and who closes
 * when nothing has been taken for some seconds.
 */
final class PatientStream extends OutputStream {
  /** How long somebody is waited for who opens the other end of a pipe. */
  private static final long TO_OPEN = TimeUnit.SECONDS.toNanos(3);

  /** How long it is waited at the end while nothing is taken. */
  private static final long TO_CLOSE = TimeUnit.SECONDS.toNanos(5);

  /** How long it is waited behind a deadline. */
  private static final long AFTER_DEADLINE = TimeUnit.MILLISECONDS.toNanos(300);

  private static final int PART = 1 << 13;
  private static final long TICK_MS = 20;
  private static final byte[] END = {};

  private final BlockingQueue<byte[]> parts = new ArrayBlockingQueue<>(16);
  private final CountDownLatch opened = new CountDownLatch(1);
  private final CountDownLatch done = new CountDownLatch(1);
  private volatile @Nullable IOException failure;
  private volatile long deadline = Long.MAX_VALUE;

  /** How many parts have been taken; it tells slow from stuck. */
  private final AtomicLong taken = new AtomicLong();

  private boolean closed;

  /**
   * @throws IOException if it cannot be opened, or is a pipe that nobody reads
   */
  PatientStream(Path p) throws IOException {
    Thread t = new Thread(() -> pass(p), "output " + p);
    // Nobody can wake it where the system waits for a reader; it ends with the program.
    t.setDaemon(true);
    t.start();
    if (!await(opened, System.nanoTime() + TO_OPEN)) {
      abandon();
      throw new IOException("it is a pipe or a device that nobody reads");
    }
    requireNoFailure();
  }

  private void pass(Path p) {
    try (OutputStream o = Files.newOutputStream(p, StandardOpenOption.WRITE)) {
      opened.countDown();
      for (byte[] b = parts.take(); b != END; b = parts.take()) {
        o.write(b);
        taken.incrementAndGet();
      }
    } catch (IOException e) {
      failure = e;
    } catch (InterruptedException e) {
      failure = new InterruptedIOException();
    } finally {
      opened.countDown();
      done.countDown();
    }
  }

  private static boolean await(CountDownLatch latch, long until) throws IOException {
    try {
      return latch.await(Math.max(0, until - System.nanoTime()), TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException();
    }
  }

  /** Lets the thread end when nobody waits for it any more. */
  private void abandon() {
    parts.clear();
    parts.offer(END);
  }

  private void requireNoFailure() throws IOException {
    IOException e = failure;
    if (e != null) {
      // One of its own for each caller: who closes after a failed write keeps both.
      throw new IOException(UserError.reason(e), e);
    }
  }

  void deadline(long nanoTime) {
    deadline = nanoTime;
  }

  private boolean late() {
    long d = deadline;
    return d != Long.MAX_VALUE && System.nanoTime() - d > AFTER_DEADLINE;
  }

  private void hand(byte[] part, long until) throws IOException {
    try {
      while (!parts.offer(part, TICK_MS, TimeUnit.MILLISECONDS)) {
        requireNoFailure();
        if (late() || until != Long.MAX_VALUE && System.nanoTime() - until > 0) {
          throw new IOException("nobody takes what is written to it");
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException();
    }
    requireNoFailure();
  }

  @Override
  public void write(int b) throws IOException {
    write(new byte[] {(byte) b}, 0, 1);
  }

  @Override
  public void write(byte[] b, int off, int len) throws IOException {
    for (int i = 0; i < len; i += PART) {
      hand(Arrays.copyOfRange(b, off + i, off + Math.min(len, i + PART)), Long.MAX_VALUE);
    }
  }

  @Override
  public void close() throws IOException {
    if (closed) {
      return;
    }
    closed = true;
    try {
      drain();
    } catch (IOException e) {
      abandon();
      throw e;
    }
  }

  private void drain() throws IOException {
    hand(END, System.nanoTime() + TO_CLOSE);
    long had = taken.get();
    long since = System.nanoTime();
    while (!await(done, System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(TICK_MS))) {
      if (taken.get() != had) {
        had = taken.get();
        since = System.nanoTime();
      }
      if (late() || System.nanoTime() - since > TO_CLOSE) {
        throw new IOException("nobody takes what is written to it");
      }
    }
    requireNoFailure();
  }
}
