package dev.vesper.cli.gdb;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * Writes to a client on a thread of its own: who does not read what is said to it must not hold up
 * the thread that runs the guest, nor the run's limits and signals with it.
 */
final class Outbox implements Client.Outgoing {
  /** What may wait for a client that does not read. */
  private static final int MOST = 64;

  private static final long PATIENCE_MS = 500;

  /** Behind the last of what is written. */
  private static final byte[] END = {};

  private final WritableByteChannel out;
  private final BlockingQueue<byte[]> waiting = new ArrayBlockingQueue<>(MOST);
  private final Thread writer;
  private volatile boolean gone;

  Outbox(WritableByteChannel out) {
    this.out = out;
    writer = new Thread(this::write, "gdb answers");
    writer.setDaemon(true);
    writer.start();
  }

  private void write() {
    try {
      for (byte[] b = waiting.take(); b != END; b = waiting.take()) {
        ByteBuffer left = ByteBuffer.wrap(b);
        while (left.hasRemaining()) {
          out.write(left);
        }
      }
    } catch (IOException e) {
      // Who has gone is noticed by whoever reads.
      gone = true;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      gone = true;
    }
  }

  /**
   * Has bytes written.
   *
   * @throws IOException if the client has gone, or does not read; then it is put out
   */
  @Override
  public void send(byte[] b) throws IOException {
    if (!gone && !offer(b)) {
      gone = true;
      out.close();
    }
    if (gone) {
      throw new IOException("nobody reads");
    }
  }

  private boolean offer(byte[] b) {
    try {
      return waiting.offer(b, PATIENCE_MS, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  /** Waits for a moment until all is written. */
  @Override
  public void close() throws IOException {
    try {
      if (!gone && offer(END)) {
        writer.join(PATIENCE_MS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    gone = true;
    out.close();
  }
}
