package dev.vesper.campaign;

import java.io.IOException;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.MulticastSocket;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.SocketException;
import java.util.function.Consumer;
import org.jgroups.util.SocketFactory;
import org.jspecify.annotations.Nullable;

/**
 * All sockets that the library opens: connections with mutual TLS, or plain ones where a member has
 * no keys, which then are of loopback alone. Datagrams are not sent, so that none is opened.
 */
final class Sockets implements SocketFactory {
  private static final int BACKLOG = 64;

  private final @Nullable MemberKeys keys;
  private final Consumer<String> said;

  /**
   * Sockets of a member.
   *
   * @param keys null for none
   * @param said takes a line for each stranger who was turned away
   */
  Sockets(@Nullable MemberKeys keys, Consumer<String> said) {
    this.keys = keys;
    this.said = said;
  }

  @Override
  public Socket createSocket(String service) throws IOException {
    return keys == null ? new LoopbackSocket() : keys.socket();
  }

  @Override
  public Socket createSocket(String service, String host, int port) throws IOException {
    return createSocket(service, InetAddress.getByName(host), port);
  }

  @Override
  public Socket createSocket(String service, InetAddress address, int port) throws IOException {
    return connected(address, port, null);
  }

  @Override
  public Socket createSocket(
      String service, String host, int port, InetAddress local, int localPort) throws IOException {
    return createSocket(service, InetAddress.getByName(host), port, local, localPort);
  }

  @Override
  public Socket createSocket(
      String service, InetAddress address, int port, InetAddress local, int localPort)
      throws IOException {
    return connected(address, port, new InetSocketAddress(local, localPort));
  }

  private Socket connected(InetAddress to, int port, @Nullable SocketAddress from)
      throws IOException {
    Socket s = createSocket("");
    try {
      if (from != null) {
        s.bind(from);
      }
      s.connect(new InetSocketAddress(to, port));
      return s;
    } catch (IOException e) {
      s.close();
      throw e;
    }
  }

  @Override
  public ServerSocket createServerSocket(String service) throws IOException {
    return keys == null ? new LoopbackDoor() : new Doorkeeper(keys.door(), said);
  }

  @Override
  public ServerSocket createServerSocket(String service, int port) throws IOException {
    return createServerSocket(service, port, BACKLOG);
  }

  @Override
  public ServerSocket createServerSocket(String service, int port, int backlog) throws IOException {
    return createServerSocket(service, port, backlog, null);
  }

  @Override
  public ServerSocket createServerSocket(
      String service, int port, int backlog, @Nullable InetAddress address) throws IOException {
    ServerSocket s = createServerSocket(service);
    try {
      s.bind(new InetSocketAddress(address, port), backlog);
      return s;
    } catch (IOException e) {
      s.close();
      throw e;
    }
  }

  /**
   * Refuses to listen at every address that the computer has.
   *
   * @throws SocketException if that is what was asked for
   */
  static InetAddress requireOne(SocketAddress at) throws SocketException {
    if (at instanceof InetSocketAddress i
        && i.getAddress() != null
        && !i.getAddress().isAnyLocalAddress()) {
      return i.getAddress();
    }
    throw new SocketException("a member listens at one address, not at all that there are");
  }

  @Override
  public DatagramSocket createDatagramSocket(String service) throws SocketException {
    throw new SocketException("members send no datagrams");
  }

  @Override
  public DatagramSocket createDatagramSocket(String service, int port) throws SocketException {
    throw new SocketException("members send no datagrams");
  }

  @Override
  public DatagramSocket createDatagramSocket(String service, int port, InetAddress address)
      throws SocketException {
    throw new SocketException("members send no datagrams");
  }

  @Override
  public DatagramSocket createDatagramSocket(String service, SocketAddress at)
      throws SocketException {
    throw new SocketException("members send no datagrams");
  }

  @Override
  public MulticastSocket createMulticastSocket(String service) throws IOException {
    throw new SocketException("members send no datagrams");
  }

  @Override
  public MulticastSocket createMulticastSocket(String service, int port) throws IOException {
    throw new SocketException("members send no datagrams");
  }

  @Override
  public MulticastSocket createMulticastSocket(String service, SocketAddress at)
      throws IOException {
    throw new SocketException("members send no datagrams");
  }

  @Override
  public void close(Socket s) throws IOException {
    s.close();
  }

  @Override
  public void close(ServerSocket s) throws IOException {
    s.close();
  }

  @Override
  public void close(DatagramSocket s) {
    s.close();
  }

  /** Lets in nobody from elsewhere. */
  private static final class LoopbackDoor extends ServerSocket {
    LoopbackDoor() throws IOException {}

    @Override
    public void bind(SocketAddress at, int backlog) throws IOException {
      if (!requireOne(at).isLoopbackAddress()) {
        throw new SocketException(at + ": off loopback with certificates alone");
      }
      super.bind(at, backlog);
    }
  }

  /** Goes nowhere but to this computer, whatever address a member is told of. */
  private static final class LoopbackSocket extends Socket {
    @Override
    public void connect(SocketAddress to, int timeout) throws IOException {
      if (!(to instanceof InetSocketAddress i)
          || i.getAddress() == null
          || !i.getAddress().isLoopbackAddress()) {
        throw new SocketException(to + ": off loopback with certificates alone");
      }
      super.connect(to, timeout);
    }
  }
}
