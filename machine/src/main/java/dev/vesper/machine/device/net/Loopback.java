package dev.vesper.machine.device.net;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/** Sockets of the computer's 127.0.0.1, and no other address; open until this is closed. */
public final class Loopback implements Outside {
  private static final String ADDRESS = "127.0.0.1";

  /** A port of the computer, and where in the guest it leads. */
  private record Door(ServerSocketChannel socket, int address, int port) {}

  private final Selector selector = Selector.open();
  private final List<Door> doors = new ArrayList<>();
  private final Map<Integer, Integer> exits = new HashMap<>();

  /**
   * Nothing leads in or out yet.
   *
   * @throws IOException if the computer has no sockets
   */
  public Loopback() throws IOException {}

  /**
   * Lets who connects to a port of 127.0.0.1 talk to a port of the guest.
   *
   * @param port of the computer, 1 to 65535
   * @param address the guest's IPv4 address, as a number
   * @param guestPort 1 to 65535
   * @throws IOException if the port is taken
   */
  public void letIn(int port, int address, int guestPort) throws IOException {
    ServerSocketChannel s = ServerSocketChannel.open();
    doors.add(new Door(s, address, guestPort));
    s.bind(new InetSocketAddress(InetAddress.getByName(ADDRESS), port));
    s.configureBlocking(false);
    s.register(selector, SelectionKey.OP_ACCEPT);
  }

  /** Lets the guest talk, by a port of the gateway, to a port of 127.0.0.1. */
  public void letOut(int gatewayPort, int port) {
    exits.put(gatewayPort, port);
  }

  @Override
  public Network.Sockets sockets() {
    return new Network.Sockets(!doors.isEmpty(), Set.copyOf(exits.values()));
  }

  @Override
  public boolean any() {
    return !doors.isEmpty() || !exits.isEmpty();
  }

  @Override
  public @Nullable Visitor visitor() {
    for (Door d : doors) {
      try {
        SocketChannel c = d.socket.accept();
        if (c != null) {
          return new Visitor(Conversation.over(c, selector), d.address, d.port);
        }
      } catch (IOException e) {
        // Who has gone again before being let in is no visitor.
        continue;
      }
    }
    return null;
  }

  @Override
  public @Nullable Stream connect(int port) {
    Integer to = exits.get(port);
    if (to == null) {
      return null;
    }
    Conversation s = null;
    try {
      SocketChannel c = SocketChannel.open();
      s = Conversation.over(c, selector);
      c.connect(new InetSocketAddress(InetAddress.getByName(ADDRESS), to));
      return s;
    } catch (IOException e) {
      // A guest may ask again and again where nobody listens.
      if (s != null) {
        s.close();
      }
      return null;
    }
  }

  @Override
  public boolean await(long nanos) {
    long millis = TimeUnit.NANOSECONDS.toMillis(nanos);
    try {
      if (millis >= 1) {
        return selector.select(k -> {}, millis) > 0;
      }
    } catch (IOException e) {
      // Then they are looked at in time, if not at once.
    }
    LockSupport.parkNanos(nanos);
    return false;
  }

  @Override
  public void close() {
    if (!selector.isOpen()) {
      return;
    }
    try {
      for (Door d : doors) {
        d.socket.close();
      }
      for (SelectionKey k : selector.keys()) {
        k.channel().close();
      }
      selector.close();
    } catch (IOException e) {
      // the process's end closes them
    }
  }

  /** A connected socket. */
  private static final class Conversation implements Stream {
    private final SocketChannel socket;
    private final Selector selector;

    private Conversation(SocketChannel socket, Selector selector) {
      this.socket = socket;
      this.selector = selector;
    }

    /** {@return a conversation over a socket, which is closed if there can be none} */
    static Conversation over(SocketChannel socket, Selector selector) throws IOException {
      Conversation c = new Conversation(socket, selector);
      try {
        socket.configureBlocking(false);
        socket.register(selector, SelectionKey.OP_READ);
        return c;
      } catch (IOException e) {
        c.close();
        throw e;
      }
    }

    @Override
    public boolean ready() throws IOException {
      return socket.isConnected() || socket.finishConnect();
    }

    @Override
    public int read(ByteBuffer to) throws IOException {
      int n = to.hasRemaining() ? socket.read(to) : 0;
      if (n < 0) {
        // An end stays readable: it would keep anybody from waiting.
        socket.keyFor(selector).interestOps(0);
      }
      return n;
    }

    @Override
    public void write(ByteBuffer from) throws IOException {
      if (from.hasRemaining()) {
        socket.write(from);
      }
    }

    @Override
    public void finish() throws IOException {
      socket.shutdownOutput();
    }

    @Override
    public void close() {
      try {
        socket.close();
        // A selector keeps the descriptors of closed sockets until it is asked the next time, and
        // nobody asks it while a guest is busy.
        selector.selectNow(k -> {});
      } catch (IOException | ClosedSelectorException e) {
        // it is gone all the same
      }
    }
  }
}
