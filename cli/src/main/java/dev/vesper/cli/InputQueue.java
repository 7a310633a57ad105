package dev.vesper.cli;

import dev.vesper.machine.spec.ConsoleInput;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Console input that a thread brings as it comes. Who waits for it sleeps until it is there: a
 * guest with nothing to do costs nothing.
 */
final class InputQueue implements ConsoleInput {
  /** Bytes that wait for the guest before the other end has to. */
  private static final int ROOM = 1 << 16;

  private final ReentrantLock lock = new ReentrantLock();
  private final Condition arrived = lock.newCondition();
  private final Condition taken = lock.newCondition();

  /** Bytes, and breaks among them. */
  private final short[] waiting;

  private int at;
  private int count;
  private boolean ended;
  private boolean woken;

  InputQueue() {
    waiting = new short[ROOM];
  }

  /** Input that is known as a whole. */
  InputQueue(byte[] all) {
    waiting = new short[all.length];
    for (byte b : all) {
      waiting[count++] = (short) (b & 0xFF);
    }
    ended = true;
  }

  /**
   * Brings a byte or a break.
   *
   * @param patient waits for room; else it is lost where there is none
   * @throws InterruptedException if the thread is interrupted while it waits
   */
  void put(int b, boolean patient) throws InterruptedException {
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

  /** Nothing more will come. */
  void end() {
    lock.lock();
    try {
      ended = true;
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
      long left = nanos;
      while (count == 0 && !ended && !woken && left > 0) {
        left = arrived.awaitNanos(left);
      }
      woken = false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      lock.unlock();
    }
  }

  @Override
  public boolean wakes() {
    return true;
  }

  @Override
  public void wake() {
    lock.lock();
    try {
      woken = true;
      arrived.signalAll();
    } finally {
      lock.unlock();
    }
  }
}
