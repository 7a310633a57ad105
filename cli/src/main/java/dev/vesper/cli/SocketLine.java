package dev.vesper.cli;

import dev.vesper.machine.spec.ConsoleInput;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A serial line over a socket. A server takes one after another; when the one that a client has
 * connected to leaves, its input has ended.
 */
final class SocketLine implements SerialLine {
  private static final int PART = 4096;
  private static final long TICK_MS = 50;

  private final InputQueue input = new InputQueue();
  private final @Nullable ServerSocketChannel server;
  private final SocketPlace place;
  private final CountDownLatch first = new CountDownLatch(1);
  private volatile @Nullable SocketChannel peer;
  private volatile boolean closed;

  /**
   * @param stopped whether nobody is to be waited for any more
   * @throws IOException if it cannot listen, or nobody listens
   */
  SocketLine(SocketPlace p, BooleanSupplier stopped) throws IOException {
    place = p;
    if (!p.server()) {
      server = null;
      SocketChannel c = SocketChannel.open(p.family());
      try {
        c.connect(p.address());
      } catch (IOException e) {
        c.close();
        throw e;
      }
      peer = c;
      start(() -> listen(c, true));
      return;
    }
    ServerSocketChannel s = p.listen();
    server = s;
    start(() -> serve(s));
    if (p.waits()) {
      Terminal.say("-serial waits for somebody at " + p.name() + " (wait=off does not)");
      await(stopped);
    }
  }

  private static void start(Runnable r) {
    Thread t = new Thread(r, "serial line");
    t.setDaemon(true);
    t.start();
  }

  private void await(BooleanSupplier stopped) {
    try {
      while (!stopped.getAsBoolean() && !first.await(TICK_MS, TimeUnit.MILLISECONDS)) {
        continue;
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void serve(ServerSocketChannel s) {
    while (!closed) {
      try {
        SocketChannel c = s.accept();
        peer = c;
        first.countDown();
        listen(c, false);
      } catch (IOException e) {
        // Whoever knocked has gone; when the listening socket itself is closed the run is over.
        if (!s.isOpen()) {
          return;
        }
      }
    }
  }

  private void listen(SocketChannel c, boolean only) {
    ByteBuffer b = ByteBuffer.allocate(PART);
    try (c) {
      while (c.read(b) >= 0) {
        b.flip();
        while (b.hasRemaining()) {
          input.put(b.get() & 0xFF, true);
        }
        b.clear();
      }
    } catch (IOException e) {
      // Who breaks off has left.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    peer = null;
    if (only) {
      input.end();
    }
  }

  @Override
  public boolean accepts() {
    return server != null;
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
        write(new byte[] {(byte) b}, 0, 1);
      }

      @Override
      public void write(byte[] b, int off, int len) {
        SocketChannel c = peer;
        if (c == null) {
          return;
        }
        try {
          ByteBuffer part = ByteBuffer.wrap(b, off, len);
          while (part.hasRemaining()) {
            c.write(part);
          }
        } catch (IOException e) {
          // Nobody is there any more, which the thread that reads will see.
          return;
        }
      }
    };
  }

  @Override
  public void close() throws IOException {
    closed = true;
    SocketChannel c = peer;
    if (c != null) {
      c.close();
    }
    if (server != null) {
      server.close();
      place.remove();
    }
  }
}
