package dev.vesper.cli;

import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.format.TraceWriter;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import org.jspecify.annotations.Nullable;

/**
 * A trace that a thread of its own spells and writes, so that the guest need not wait for it.
 * Events are handed over some at a time, in their order, and none that was accepted is lost: who
 * closes waits. What fails there is thrown to who accepts or closes next.
 */
final class BackgroundWriter implements TraceWriter {
  /** Enough to make up for waking a thread. */
  private static final int BATCH = 256;

  /** A guest may give one event many accesses: what waits is bounded by them too. */
  private static final int MOST_ACCESSES = 1 << 14;

  private static final int BATCHES = 8;

  private static final List<Event> END = List.of();

  private final TraceWriter writer;
  private final BlockingQueue<List<Event>> batches = new ArrayBlockingQueue<>(BATCHES);
  private final String name;

  /** Begins with the first events, when the process has been confined. */
  private @Nullable Thread thread;

  private List<Event> batch = new ArrayList<>(BATCH);
  private int accesses;
  private volatile @Nullable Throwable failure;

  /** The failure has been thrown: nobody is to get it twice. */
  private boolean told;

  private boolean closed;

  /**
   * @param name of the file, for the thread
   * @param writer is used by the thread alone until this is closed
   */
  BackgroundWriter(String name, TraceWriter writer) {
    this.name = name;
    this.writer = writer;
  }

  private void pass() {
    try {
      for (List<Event> b = batches.take(); b != END; b = batches.take()) {
        // After a failure the rest is only taken, so that nobody waits.
        if (failure == null) {
          write(b);
        }
      }
    } catch (InterruptedException e) {
      failure = new UncheckedIOException(new InterruptedIOException());
    }
  }

  private void write(List<Event> b) {
    try {
      b.forEach(writer::accept);
    } catch (RuntimeException | Error e) {
      failure = e;
    }
  }

  @Override
  public void accept(Event e) {
    batch.add(e);
    accesses += e.at().accesses().size();
    if (batch.size() >= BATCH || accesses >= MOST_ACCESSES) {
      flush();
      requireNoFailure();
    }
  }

  private void flush() {
    hand(batch);
    batch = new ArrayList<>(BATCH);
    accesses = 0;
  }

  private void hand(List<Event> b) {
    if (thread == null) {
      thread = new Thread(this::pass, name);
      thread.setDaemon(true);
      thread.start();
    }
    try {
      batches.put(b);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UncheckedIOException(new InterruptedIOException());
    }
  }

  private void requireNoFailure() {
    Throwable f = failure;
    if (f == null || told) {
      return;
    }
    told = true;
    switch (f) {
      case RuntimeException e -> throw e;
      case Error e -> throw e;
      default -> throw new AssertionError(f);
    }
  }

  @Override
  public void close() throws IOException {
    if (closed) {
      return;
    }
    closed = true;
    try (writer) {
      if (!batch.isEmpty()) {
        flush();
      }
      if (thread != null) {
        hand(END);
        thread.join();
      }
      requireNoFailure();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException();
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
  }
}
