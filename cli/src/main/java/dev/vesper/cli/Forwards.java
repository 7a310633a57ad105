package dev.vesper.cli;

import dev.vesper.machine.device.net.Network;
import dev.vesper.machine.device.net.Outside;
import dev.vesper.machine.device.net.UserNetwork;
import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The networks of {@code -nic} options, and the computer's loopback sockets that they forward: open
 * until this is closed.
 */
final class Forwards implements Closeable {
  private static final String USAGE =
      "-nic takes none or user[,hostfwd=tcp:[127.0.0.1]:PORT-[10.0.2.15]:PORT]"
          + "[,guestfwd=tcp:10.0.2.2:PORT-tcp:127.0.0.1:PORT]";
  private static final Pattern HOST =
      Pattern.compile("tcp:([\\d.]*):(\\d{1,5})-([\\d.]*):(\\d{1,5})");
  private static final Pattern GUEST =
      Pattern.compile("tcp:([\\d.]+):(\\d{1,5})-tcp:([\\d.]+):(\\d{1,5})");
  private static final String LOOPBACK = "127.0.0.1";

  private final List<Network> networks = new ArrayList<>();
  private final List<Loopback> open = new ArrayList<>();

  /**
   * Opens what options name.
   *
   * @throws UserError if one is wrong, or a port is taken
   */
  Forwards(List<String> options) {
    try {
      for (String o : options) {
        String[] parts = o.split(",", -1);
        if (parts[0].equals("none") && parts.length == 1) {
          continue;
        }
        if (!parts[0].equals("user")) {
          throw new UserError(USAGE + ", not '" + o + "'");
        }
        networks.add(parts.length == 1 ? new UserNetwork() : forwarding(parts));
      }
    } catch (UserError e) {
      close();
      throw e;
    }
  }

  List<Network> list() {
    return List.copyOf(networks);
  }

  private UserNetwork forwarding(String[] parts) {
    try {
      Loopback l = new Loopback();
      open.add(l);
      for (int i = 1; i < parts.length; i++) {
        l.add(parts[i]);
      }
      return new UserNetwork(l);
    } catch (IOException e) {
      throw new UserError("-nic: cannot use sockets: " + UserError.reason(e));
    }
  }

  @Override
  public void close() {
    open.forEach(Loopback::close);
  }

  private static int port(String option, String number) {
    int n = Integer.parseInt(number);
    if (n == 0 || n > 0xFFFF) {
      throw new UserError("-nic " + option + ": ports are from 1 to 65535");
    }
    return n;
  }

  /** Sockets of 127.0.0.1, and no other address. */
  private static final class Loopback implements Outside {
    /** A port of the computer, and where in the guest it leads. */
    private record Door(ServerSocketChannel socket, int address, int port) {}

    private final Selector selector = Selector.open();
    private final List<Door> doors = new ArrayList<>();
    private final Map<Integer, Integer> exits = new HashMap<>();

    Loopback() throws IOException {}

    void add(String option) {
      int eq = option.indexOf('=');
      String value = option.substring(eq + 1);
      Matcher host = HOST.matcher(value);
      Matcher guest = GUEST.matcher(value);
      if (option.startsWith("hostfwd=") && host.matches()) {
        listen(option, host);
      } else if (option.startsWith("guestfwd=") && guest.matches()) {
        if (!guest.group(1).equals("10.0.2.2") || !guest.group(3).equals(LOOPBACK)) {
          throw new UserError(
              "-nic " + option + ": a guest reaches 127.0.0.1 through the gateway, 10.0.2.2");
        }
        exits.put(port(option, guest.group(2)), port(option, guest.group(4)));
      } else {
        throw new UserError(USAGE + ", not '" + option + "'");
      }
    }

    private void listen(String option, Matcher m) {
      if (!m.group(1).isEmpty() && !m.group(1).equals(LOOPBACK)) {
        throw new UserError(
            "-nic " + option + ": only 127.0.0.1 is listened at, not " + m.group(1));
      }
      int address = UserNetwork.GUEST;
      if (!m.group(3).isEmpty()) {
        try {
          // Digits and dots: nothing is looked up.
          address = ByteBuffer.wrap(InetAddress.getByName(m.group(3)).getAddress()).getInt();
        } catch (IOException e) {
          throw new UserError("-nic " + option + ": " + m.group(3) + " is no IPv4 address");
        }
      }
      int from = port(option, m.group(2));
      int to = port(option, m.group(4));
      try {
        ServerSocketChannel s = ServerSocketChannel.open();
        doors.add(new Door(s, address, to));
        s.bind(new InetSocketAddress(InetAddress.getByName(LOOPBACK), from));
        s.configureBlocking(false);
        s.register(selector, SelectionKey.OP_ACCEPT);
      } catch (IOException e) {
        throw new UserError(
            "-nic " + option + ": cannot listen at port " + from + ": " + UserError.reason(e));
      }
    }

    @Override
    public boolean any() {
      return !doors.isEmpty() || !exits.isEmpty();
    }

    @Override
    public Outside.@Nullable Visitor visitor() {
      for (Door d : doors) {
        try {
          SocketChannel c = d.socket.accept();
          if (c != null) {
            return new Visitor(new Conversation(c, selector), d.address, d.port);
          }
        } catch (IOException e) {
          // Who has gone again before being let in is no visitor.
          continue;
        }
      }
      return null;
    }

    @Override
    public Outside.@Nullable Stream connect(int port) {
      Integer to = exits.get(port);
      if (to == null) {
        return null;
      }
      Conversation s = null;
      try {
        SocketChannel c = SocketChannel.open();
        s = new Conversation(c, selector);
        c.connect(new InetSocketAddress(InetAddress.getByName(LOOPBACK), to));
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
    public void await(long nanos) {
      long millis = TimeUnit.NANOSECONDS.toMillis(nanos);
      if (millis < 1) {
        LockSupport.parkNanos(nanos);
        return;
      }
      try {
        selector.select(k -> {}, millis);
      } catch (IOException e) {
        LockSupport.parkNanos(nanos);
      }
    }

    void close() {
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
  }

  /** A connected socket. */
  private static final class Conversation implements Outside.Stream {
    private final SocketChannel socket;
    private final Selector selector;

    Conversation(SocketChannel socket, Selector selector) throws IOException {
      this.socket = socket;
      this.selector = selector;
      socket.configureBlocking(false);
      socket.register(selector, SelectionKey.OP_READ);
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
      } catch (IOException e) {
        // it is gone all the same
      }
    }
  }
}
