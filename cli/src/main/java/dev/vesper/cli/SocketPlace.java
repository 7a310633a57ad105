package dev.vesper.cli;

import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ProtocolFamily;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Where a socket is, in QEMU's words. Nobody but this computer is let in or reached: SECURITY.md.
 *
 * @param name for people
 * @param server listens for whoever comes, one after another; else it connects to who listens
 * @param waits a server that has the guest wait for the first one
 */
record SocketPlace(
    String name, ProtocolFamily family, SocketAddress address, boolean server, boolean waits) {
  private static final String TCP = "tcp:";
  private static final String UNIX = "unix:";

  /** Sockets in the kinds of files that stat(2) tells. */
  private static final int S_IFMT = 0xF000;

  private static final int S_IFSOCK = 0xC000;

  /** Unix sockets of this computer (proc_pid_net(5)). */
  private static final Path LISTENERS = Path.of("/proc/net/unix");

  /** Flags there of a socket that accepts connections: SO_ACCEPTCON. */
  private static final String ACCEPTS = "00010000";

  private static final Set<String> HERE = Set.of("", "localhost", "127.0.0.1");

  /**
   * {@return what an option names, or null if it is no socket}
   *
   * @param option its name, for people
   * @throws UserError if it names one that cannot be
   */
  static @Nullable SocketPlace of(String option, String where) {
    String said = option + " " + where + ": ";
    if (!where.startsWith(TCP) && !where.startsWith(UNIX)) {
      return null;
    }
    List<String> parts = List.of(where.split(",", -1));
    boolean server = false;
    boolean waits = true;
    for (String p : parts.subList(1, parts.size())) {
      switch (p) {
        case "server", "server=on" -> server = true;
        case "server=off" -> server = false;
        case "wait", "wait=on" -> waits = true;
        case "nowait", "wait=off" -> waits = false;
        // Bytes are never kept back.
        case "nodelay", "nodelay=on", "nodelay=off" -> {}
        default ->
            throw new UserError(said + "'" + p + "' is none of server, wait=on|off and nodelay");
      }
    }
    String place = parts.get(0);
    if (place.startsWith(UNIX)) {
      Path path = UserFiles.path(place.substring(UNIX.length()));
      if (path.toString().isEmpty()) {
        throw new UserError(said + "name the socket's path, as in unix:/tmp/com1");
      }
      try {
        return new SocketPlace(
            place, StandardProtocolFamily.UNIX, UnixDomainSocketAddress.of(path), server, waits);
      } catch (UnsupportedOperationException e) {
        throw new UserError(said + "this system has no sockets with paths");
      }
    }
    int colon = place.lastIndexOf(':');
    String host = colon < TCP.length() ? "" : place.substring(TCP.length(), colon);
    String number = place.substring(Math.max(colon, TCP.length() - 1) + 1);
    int port = number.matches("[0-9]{1,5}") ? Integer.parseInt(number) : 0;
    if (port < 1 || port > 0xFFFF) {
      throw new UserError(said + "name a port, 1 to 65535, as in tcp::4555,server");
    }
    if (!HERE.contains(host)) {
      throw new UserError(said + "only 127.0.0.1 is let in or reached; socat or ssh leads further");
    }
    return new SocketPlace(
        "tcp:127.0.0.1:" + port,
        StandardProtocolFamily.INET,
        new InetSocketAddress(loopback(), port),
        server,
        waits);
  }

  private static InetAddress loopback() {
    try {
      return InetAddress.getByAddress(new byte[] {127, 0, 0, 1});
    } catch (java.net.UnknownHostException e) {
      throw new IllegalStateException("four bytes are an address", e);
    }
  }

  /**
   * Listens there. A socket that a former run has left is not in the way; anything else is, and so
   * is one of a run that still listens.
   *
   * @throws IOException if it cannot
   */
  ServerSocketChannel listen() throws IOException {
    forget(path());
    ServerSocketChannel s = ServerSocketChannel.open(family);
    try {
      s.bind(address, 1);
    } catch (IOException e) {
      s.close();
      throw e;
    }
    return s;
  }

  private static void forget(@Nullable Path p) throws IOException {
    if (p != null && Files.exists(p, LinkOption.NOFOLLOW_LINKS)) {
      int mode = (int) Files.getAttribute(p, "unix:mode", LinkOption.NOFOLLOW_LINKS);
      if ((mode & S_IFMT) == S_IFSOCK) {
        if (isListenedAt(p)) {
          throw new IOException("another program listens there");
        }
        Files.delete(p);
      }
    }
  }

  /**
   * {@return whether somebody listens at a socket} Linux has a list of them by the paths that they
   * were given; only where that leaves it open is it found by a connection, which who listens sees.
   */
  private static boolean isListenedAt(Path p) throws IOException {
    if (Files.isReadable(LISTENERS)) {
      Set<String> all = new HashSet<>();
      for (String line : Files.readAllLines(LISTENERS, StandardCharsets.ISO_8859_1)) {
        String[] f = line.split(" +", 8);
        if (f.length == 8 && f[3].equals(ACCEPTS)) {
          all.add(f[7]);
        }
      }
      if (all.contains(listed(p.toAbsolutePath()))) {
        return true;
      }
      String name = "/" + listed(p.getFileName());
      if (all.stream().noneMatch(a -> ("/" + a).endsWith(name))) {
        return false;
      }
    }
    try (SocketChannel c = SocketChannel.open(StandardProtocolFamily.UNIX)) {
      c.configureBlocking(false);
      c.connect(UnixDomainSocketAddress.of(p));
      return true;
    } catch (ConnectException e) {
      return false;
    }
  }

  private static String listed(Path p) {
    return new String(p.toString().getBytes(StandardCharsets.UTF_8), StandardCharsets.ISO_8859_1);
  }

  /** Takes the socket's file away when nobody listens any more. */
  void remove() throws IOException {
    Path file = path();
    if (file != null) {
      try {
        Files.deleteIfExists(file);
      } catch (AccessDeniedException e) {
        // A confined process cannot: the next one forgets it.
        return;
      }
    }
  }

  /** {@return its path, or null if it has a port} */
  @Nullable Path path() {
    return address instanceof UnixDomainSocketAddress u ? u.getPath() : null;
  }
}
