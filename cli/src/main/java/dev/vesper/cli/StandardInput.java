package dev.vesper.cli;

import dev.vesper.machine.spec.ConsoleInput;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Standard input as console input. A regular file is read at once, so that a run with it can be
 * repeated; anything else is read by a thread as it comes. Who waits for input sleeps until it
 * comes: a guest with nothing to do costs nothing.
 */
final class StandardInput implements ConsoleInput {
  /** Bytes that wait for the guest before the other end of a pipe has to. */
  private static final int ROOM = 1 << 16;

  private final ReentrantLock lock = new ReentrantLock();
  private final Condition arrived = lock.newCondition();
  private final Condition taken = lock.newCondition();
  private final @Nullable EscapeKey keys;

  /** Bytes, and breaks among them. */
  private short[] waiting = new short[ROOM];

  private int at;
  private int count;
  private boolean ended;

  /**
   * @param keys takes what is typed before the guest does; null if nobody types
   */
  StandardInput(@Nullable EscapeKey keys) {
    this.keys = keys;
    Path self = Path.of("/dev/stdin");
    InputStream in = System.in;
    try {
      if (Files.isRegularFile(self)) {
        byte[] all = in.readAllBytes();
        waiting = new short[all.length];
        for (byte b : all) {
          waiting[count++] = (short) (b & 0xFF);
        }
        ended = true;
        return;
      }
    } catch (IOException e) {
      ended = true;
      return;
    }
    Thread t = new Thread(() -> pump(in), "console-input");
    t.setDaemon(true);
    t.start();
  }

  private void pump(InputStream in) {
    try {
      for (int b = in.read(); b >= 0; b = in.read()) {
        if (keys == null) {
          put(b, true);
          continue;
        }
        int k = keys.typed(b);
        if (k != EscapeKey.NOTHING) {
          // A guest that takes nothing must not keep the next command from being read.
          put(k, false);
        }
      }
    } catch (IOException e) {
      // Input that breaks off is input that ends.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    lock.lock();
    try {
      ended = true;
      arrived.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private void put(int b, boolean patient) throws InterruptedException {
    lock.lock();
    try {
      while (count == waiting.length) {
        if (!patient) {
          return;
        }
        taken.await();
      }
      waiting[(at + count) % waiting.length] = (short) b;
      count++;
      arrived.signalAll();
    } finally {
      lock.unlock();
    }
  }

  @Override
  public int poll() {
    lock.lock();
    try {
      if (count == 0) {
        return -1;
      }
      int b = waiting[at];
      at = (at + 1) % waiting.length;
      count--;
      taken.signalAll();
      return b;
    } finally {
      lock.unlock();
    }
  }

  @Override
  public boolean closed() {
    lock.lock();
    try {
      return ended && count == 0;
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void await(long nanos) {
    lock.lock();
    try {
      long left = Math.min(nanos, TimeUnit.SECONDS.toNanos(1));
      while (count == 0 && !ended && left > 0) {
        left = arrived.awaitNanos(left);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      lock.unlock();
    }
  }
}
