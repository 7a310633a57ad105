package dev.vesper.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Removes files at the end. A run that is confined may remove none: the thread that does it here is
 * older than the confinement, and knows what it may remove before a guest runs.
 */
final class Sweeper {
  private static final long MOST_SECONDS = 2;

  private final List<Path> removed = new ArrayList<>();
  private final CountDownLatch asked = new CountDownLatch(1);
  private final CountDownLatch done = new CountDownLatch(1);

  Sweeper() {
    Thread t = new Thread(this::run, "removal of outputs");
    t.setDaemon(true);
    t.start();
  }

  private void run() {
    try {
      asked.await();
      for (Path p : removed) {
        try {
          Files.deleteIfExists(p);
        } catch (IOException e) {
          // Then it stays, empty.
          continue;
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      done.countDown();
    }
  }

  /** Removes files; to be called once. */
  void remove(List<Path> files) {
    removed.addAll(files);
    asked.countDown();
    try {
      done.await(MOST_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
