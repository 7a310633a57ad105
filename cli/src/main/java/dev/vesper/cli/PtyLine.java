package dev.vesper.cli;

import dev.vesper.cli.tty.Pty;
import dev.vesper.machine.spec.ConsoleInput;
import java.io.IOException;
import java.io.OutputStream;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** A serial line over a pseudo terminal, which minicom, screen or cu open by its name. */
final class PtyLine implements SerialLine {
  private static final int PART = 4096;

  /** Between looks for somebody who opens it: no call waits for that. */
  private static final long TICK = TimeUnit.MILLISECONDS.toNanos(100);

  private final Pty pty;
  private final InputQueue input = new InputQueue();
  private volatile boolean closed;

  /**
   * @throws IOException if the system gives none
   */
  PtyLine() throws IOException {
    pty = Pty.open(PART);
    Terminal.say("-serial is at " + pty.name());
    Thread t = new Thread(this::listen, "serial line");
    t.setDaemon(true);
    t.start();
  }

  /** {@return the name to open} */
  String name() {
    return pty.name();
  }

  private void listen() {
    try {
      while (!closed) {
        byte[] all = pty.read();
        for (byte b : all) {
          input.put(b & 0xFF, true);
        }
        if (all.length == 0) {
          LockSupport.parkNanos(this, TICK);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public boolean accepts() {
    return false;
  }

  @Override
  public ConsoleInput input() {
    return input;
  }

  @Override
  public OutputStream output() {
    return new OutputStream() {
      @Override
      public void write(int b) {
        pty.write(b);
      }
    };
  }

  @Override
  public void close() {
    closed = true;
    pty.close();
  }
}
