package dev.vesper.cli;

import dev.vesper.machine.spec.ConsoleInput;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * Standard input as console input. A regular file is read at once, so that a run with it can be
 * repeated; anything else is read by a thread as it comes.
 */
final class StandardInput implements ConsoleInput {
  private final ArrayBlockingQueue<Integer> queue = new ArrayBlockingQueue<>(1 << 16);
  private volatile boolean ended;
  private byte[] file = {};
  private int at;

  StandardInput() {
    Path self = Path.of("/dev/stdin");
    InputStream in = System.in;
    try {
      if (Files.isRegularFile(self)) {
        file = in.readAllBytes();
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
        queue.put(b);
      }
    } catch (IOException e) {
      // Input that breaks off is input that ends.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    ended = true;
  }

  @Override
  public int poll() {
    if (at < file.length) {
      return file[at++] & 0xFF;
    }
    Integer b = queue.poll();
    return b == null ? -1 : b;
  }

  @Override
  public boolean closed() {
    return ended && queue.isEmpty() && at >= file.length;
  }

  @Override
  public void await(long nanos) {
    long end = System.nanoTime() + Math.min(nanos, TimeUnit.SECONDS.toNanos(1));
    try {
      while (queue.isEmpty() && !ended && System.nanoTime() < end) {
        Thread.sleep(1);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
