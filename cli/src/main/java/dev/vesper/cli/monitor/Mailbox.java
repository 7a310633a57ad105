package dev.vesper.cli.monitor;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What is said to a client, which a thread of its own writes: who does not read holds up nobody,
 * and is put out when too much waits for it.
 */
final class Mailbox implements Closeable {
  /** Four of the longest answers. */
  private static final long MOST = 4L * Call.MOST;

  static final long PATIENCE_NS = 500_000_000;

  /** Behind the last of what is written. */
  private static final byte[] END = {};

  private final WritableByteChannel out;
  private final BlockingQueue<byte[]> waiting = new LinkedBlockingQueue<>();
  private final AtomicLong bytes = new AtomicLong();
  private final Thread writer;
  private volatile boolean gone;

  Mailbox(WritableByteChannel out) {
    this.out = out;
    writer = Thread.ofPlatform().daemon().name("monitor answers").start(this::write);
  }

  private void write() {
    try {
      for (byte[] b = waiting.take(); b != END; b = waiting.take()) {
        ByteBuffer left = ByteBuffer.wrap(b);
        while (left.hasRemaining()) {
          out.write(left);
        }
        bytes.addAndGet(-b.length);
      }
    } catch (IOException e) {
      // Who has gone is noticed by whoever reads.
      gone = true;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      gone = true;
    }
  }

  /** Has a text written; {@return whether the client still takes any} Never waits. */
  boolean send(String text) {
    byte[] b = text.getBytes(StandardCharsets.UTF_8);
    if (gone || b.length == 0) {
      return !gone;
    }
    if (bytes.addAndGet(b.length) > MOST) {
      gone = true;
      Mailbox.end(out);
      return false;
    }
    waiting.add(b);
    return true;
  }

  private static void end(WritableByteChannel c) {
    try {
      c.close();
    } catch (IOException e) {
      // It is not there any more.
      return;
    }
  }

  /** Nothing more will be said. */
  void finish() {
    waiting.add(END);
  }

  /** Waits for a moment until all is written. */
  @Override
  public void close() {
    finish();
    close(System.nanoTime() + PATIENCE_NS);
  }

  /** Waits until all is written that was said before {@link #finish}, but not beyond a time. */
  void close(long deadline) {
    try {
      long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
      if (!gone && left > 0) {
        writer.join(left);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    gone = true;
    end(out);
  }
}
