package dev.vesper.campaign;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.SocketException;
import java.time.Duration;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;

/**
 * A listening socket that hands out connections only when TLS has shown who is at the other end.
 * The library behind it would read a stranger's first bytes, and wait for them, in the thread that
 * takes everybody's connections; here a stranger waits alone, a limited time, in a limited number,
 * and no byte of his gets further.
 */
final class Doorkeeper extends ServerSocket {
  /** How long a handshake may take. */
  private static final Duration PATIENCE = Duration.ofSeconds(20);

  /** Connections that have not shown a certificate yet; more than these are closed. */
  private static final int STRANGERS = 64;

  private static final int LOOK_MILLIS = 200;

  private final SSLServerSocket door;
  private final Consumer<String> said;
  private final Semaphore places = new Semaphore(STRANGERS);
  private final LinkedBlockingQueue<Socket> known = new LinkedBlockingQueue<>();

  /**
   * Listens at nothing yet.
   *
   * @param said takes a line for each who was turned away
   * @throws IOException if there are no sockets to be had
   */
  Doorkeeper(SSLServerSocket door, Consumer<String> said) throws IOException {
    this.door = door;
    this.said = said;
  }

  @Override
  public void bind(SocketAddress at, int backlog) throws IOException {
    Sockets.requireOne(at);
    door.setReuseAddress(true);
    door.bind(at, backlog);
    Thread.ofVirtual().name("doorkeeper").start(this::take);
  }

  private void take() {
    while (!door.isClosed()) {
      try {
        Socket s = door.accept();
        if (places.tryAcquire()) {
          Thread.ofVirtual().name("handshake").start(() -> ask((SSLSocket) s));
        } else {
          s.close();
        }
      } catch (IOException e) {
        // One who has gone again, or the door is closed, which ends the loop.
        Thread.onSpinWait();
      }
    }
  }

  private void ask(SSLSocket s) {
    // Reading by a deadline of its own, which a byte now and then does not put off.
    Thread late =
        Thread.ofVirtual()
            .start(
                () -> {
                  try {
                    Thread.sleep(PATIENCE);
                    s.close();
                  } catch (InterruptedException | IOException e) {
                    Thread.currentThread().interrupt();
                  }
                });
    try {
      s.startHandshake();
      late.interrupt();
      known.add(s);
    } catch (IOException e) {
      late.interrupt();
      said.accept(
          "refused "
              + s.getRemoteSocketAddress()
              + ": "
              + (Knock.wasCutOff(e)
                  ? "it did not finish the handshake"
                  : "no certificate of this cluster's authority"));
      close(s);
    } finally {
      places.release();
    }
  }

  private static void close(Socket s) {
    try {
      s.close();
    } catch (IOException e) {
      // It is of no use either way.
      return;
    }
  }

  @Override
  public Socket accept() throws IOException {
    try {
      while (!door.isClosed()) {
        Socket s = known.poll(LOOK_MILLIS, TimeUnit.MILLISECONDS);
        if (s != null) {
          return s;
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    throw new SocketException("Socket closed");
  }

  @Override
  public InetAddress getInetAddress() {
    return door.getInetAddress();
  }

  @Override
  public int getLocalPort() {
    return door.getLocalPort();
  }

  @Override
  public SocketAddress getLocalSocketAddress() {
    return new InetSocketAddress(door.getInetAddress(), door.getLocalPort());
  }

  @Override
  public boolean isBound() {
    return door.isBound();
  }

  @Override
  public boolean isClosed() {
    return door.isClosed();
  }

  @Override
  public void close() throws IOException {
    door.close();
    Socket s = known.poll();
    while (s != null) {
      s.close();
      s = known.poll();
    }
  }
}
