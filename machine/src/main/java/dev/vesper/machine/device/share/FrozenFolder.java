package dev.vesper.machine.device.share;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A folder with all that is below it as it was at one moment, in memory and never changed. An
 * answer follows from the request and the folder alone: handles mean nothing, and no request leaves
 * anything behind, so that a machine which goes back to a checkpoint finds what it found before.
 *
 * <p>What a computer decides and the folder does not is left out, so that a copy elsewhere is the
 * same: a file's number is its place in the order of names, all times are that of the last change,
 * everything is root's, and there is no free space.
 */
final class FrozenFolder {
  /** Bytes of files and links: a campaign has them in memory. */
  static final long MOST_BYTES = 64L << 20;

  /** Files, folders and links. */
  static final int MOST_NODES = 1 << 16;

  private static final int PAGE = 4096;
  private static final int ATTRIBUTES = 88;
  private static final int LOOKED_UP = 40;
  private static final int DIRENT = 24;

  /** Bytes of a file or folder that are asked for at once while it is taken. */
  private static final int PART = 1 << 16;

  /**
   * A file, folder or link.
   *
   * @param attributes a struct fuse_attr
   * @param kind as in the mode
   * @param content of a file; where a link leads
   * @param error why that could not be read, or 0
   * @param names what a folder has, in order
   */
  private record Node(
      byte[] attributes, int kind, byte[] content, int error, SortedMap<String, Integer> names) {}

  /** Nodes by number, the folder itself first. */
  private final List<Node> nodes = new ArrayList<>();

  private long bytes;

  private FrozenFolder() {}

  /**
   * {@return all that a server has}
   *
   * @throws IOException if that is too much or cannot be read, in a line
   */
  static FrozenFolder of(FuseServer live) throws IOException {
    FrozenFolder f = new FrozenFolder();
    try {
      byte[] root = live.live(3, SharedFolder.ROOT, arguments(16)).array();
      f.take(live, Arrays.copyOfRange(root, 16, 16 + ATTRIBUTES));
    } catch (FuseError e) {
      throw new IOException("error " + e.number + " of the system", e);
    }
    return f;
  }

  private static ByteBuffer arguments(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** A node that has a number, and whose names are to be found. */
  private record Found(long live, int parent, String name, byte[] attributes) {}

  /** Takes folder by folder, each in the order of its names. */
  private void take(FuseServer live, byte[] root) throws FuseError, IOException {
    ArrayDeque<Found> todo = new ArrayDeque<>();
    todo.add(new Found(SharedFolder.ROOT, -1, "", root));
    while (!todo.isEmpty()) {
      Found f = todo.poll();
      if (nodes.size() >= MOST_NODES) {
        throw new IOException("there are more than " + MOST_NODES + " files in it");
      }
      nodes.add(node(live, f));
      int number = nodes.size();
      if (f.parent >= 0) {
        nodes.get(f.parent).names.put(f.name, number);
      }
      for (String name : names(live, f)) {
        Found below = found(live, f.live, number - 1, name);
        if (below != null) {
          todo.add(below);
        }
      }
    }
    for (int i = 0; i < nodes.size(); i++) {
      settle(i);
    }
  }

  /** {@return what a name stands for, or null if it is gone by now} */
  private static @Nullable Found found(FuseServer live, long folder, int parent, String name)
      throws FuseError {
    byte[] n = name.getBytes(StandardCharsets.ISO_8859_1);
    try {
      ByteBuffer e = live.live(1, folder, arguments(n.length + 1).put(0, n));
      byte[] attributes = new byte[ATTRIBUTES];
      e.get(LOOKED_UP, attributes);
      return new Found(e.getLong(0), parent, name, attributes);
    } catch (FuseError e) {
      if (e.number == FuseError.ENOENT) {
        return null;
      }
      throw e;
    }
  }

  private Node node(FuseServer live, Found f) throws IOException {
    int kind = ByteBuffer.wrap(f.attributes).order(ByteOrder.LITTLE_ENDIAN).getInt(60) >> 12 & 15;
    byte[] content = {};
    int error = 0;
    try {
      content =
          switch (kind) {
            case Posix.Stat.REGULAR -> content(live, f.live);
            case Posix.Stat.LINK -> live.live(5, f.live, arguments(0)).array();
            default -> content;
          };
    } catch (FuseError e) {
      error = e.number;
    }
    bytes += content.length;
    return new Node(f.attributes, kind, content, error, new TreeMap<>());
  }

  private byte[] content(FuseServer live, long node) throws FuseError, IOException {
    long handle = live.live(14, node, arguments(8)).getLong(0);
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    try {
      while (true) {
        ByteBuffer a = arguments(40).putLong(0, handle).putLong(8, all.size()).putInt(16, PART);
        byte[] some = live.live(15, node, a).array();
        if (some.length == 0) {
          return all.toByteArray();
        }
        all.writeBytes(some);
        if (bytes + all.size() > MOST_BYTES) {
          throw new IOException("there are more than " + (MOST_BYTES >> 20) + " MiB in it");
        }
      }
    } finally {
      live.live(18, node, arguments(24).putLong(0, handle));
    }
  }

  private static List<String> names(FuseServer live, Found f) throws FuseError {
    List<String> all = new ArrayList<>();
    if ((f.attributes[61] >> 4 & 15) != Posix.Stat.DIRECTORY) {
      return all;
    }
    long handle;
    try {
      handle = live.live(27, f.live, arguments(8)).getLong(0);
    } catch (FuseError e) {
      // One that cannot be read is empty, as it looks to whoever runs the guest.
      return all;
    }
    long offset = 0;
    while (true) {
      ByteBuffer a = arguments(40).putLong(0, handle).putLong(8, offset).putInt(16, PART);
      ByteBuffer some = live.live(28, f.live, a);
      int end = some.capacity();
      for (int at = 0; at < end; ) {
        byte[] name = new byte[some.getInt(at + 16)];
        some.get(at + DIRENT, name);
        offset = some.getLong(at + 8);
        at += DIRENT + name.length + 7 & ~7;
        all.add(new String(name, StandardCharsets.ISO_8859_1));
      }
      if (end == 0) {
        break;
      }
    }
    live.live(29, f.live, arguments(24).putLong(0, handle));
    all.removeAll(List.of(".", ".."));
    // Latin letters one by one are bytes in their order.
    all.sort(null);
    return all;
  }

  /** Replaces in a node's attributes what the computer has decided. */
  private void settle(int i) {
    Node n = nodes.get(i);
    ByteBuffer a = ByteBuffer.wrap(n.attributes).order(ByteOrder.LITTLE_ENDIAN);
    boolean folder = n.kind == Posix.Stat.DIRECTORY;
    long below = n.names.values().stream().filter(c -> isFolder(nodes.get(c - 1))).count();
    long size = folder ? PAGE : n.error != 0 ? a.getLong(8) : n.content.length;
    a.putLong(0, i + 1L).putLong(8, size).putLong(16, (size + 511) / 512);
    a.putLong(24, a.getLong(32)).putLong(40, a.getLong(32));
    a.putInt(48, a.getInt(52)).putInt(56, a.getInt(52));
    a.putInt(64, folder ? 2 + (int) below : 1).putInt(68, 0).putInt(72, 0);
  }

  private static boolean isFolder(Node n) {
    return n.kind == Posix.Stat.DIRECTORY;
  }

  // ---- answers

  /**
   * {@return the body of the answer to a request}
   *
   * @param code the operation
   * @param number of the node
   */
  byte[] serve(int code, long number, ByteBuffer a) throws FuseError {
    return switch (code) {
      case 1 -> entry(number, FuseServer.text(a, 0));
      case 3 -> FuseServer.out(104).put(16, node(number).attributes).array();
      case 5 -> link(node(number));
      case 4, 6, 8, 9, 10, 11, 12, 13, 16, 35, 45 -> throw new FuseError(FuseError.EROFS);
      case 14 -> open(node(number), a.getInt(0));
      case 15 -> read(node(number), a.getLong(8), a.getInt(16));
      case 17 -> statistics();
      case 18, 20, 25, 29, 30, 36, 38 -> new byte[0];
      case 26 -> FuseServer.initialised(a);
      case 27 -> openFolder(node(number));
      case 28 -> list(number, a.getLong(8), a.getInt(16));
      case 34 -> access(node(number));
      default -> throw new FuseError(FuseError.ENOSYS);
    };
  }

  private Node node(long number) throws FuseError {
    if (number < 1 || number > nodes.size()) {
      throw new FuseError(FuseError.ENOENT);
    }
    return nodes.get((int) number - 1);
  }

  private Node folder(long number) throws FuseError {
    Node n = node(number);
    if (!isFolder(n)) {
      throw new FuseError(FuseError.ENOTDIR);
    }
    return n;
  }

  private byte[] entry(long folder, String name) throws FuseError {
    Integer n = folder(folder).names.get(SharedFolder.requireName(name));
    if (n == null) {
      throw new FuseError(FuseError.ENOENT);
    }
    return FuseServer.out(128).putLong(0, n).put(LOOKED_UP, node(n).attributes).array();
  }

  private static byte[] link(Node n) throws FuseError {
    if (n.kind != Posix.Stat.LINK) {
      throw new FuseError(FuseError.EINVAL);
    }
    return readable(n).content.clone();
  }

  private static Node readable(Node n) throws FuseError {
    if (n.error != 0) {
      throw new FuseError(n.error);
    }
    return n;
  }

  private static byte[] access(Node n) throws FuseError {
    FuseServer.requireUsable(n.kind);
    return new byte[0];
  }

  private static byte[] open(Node n, int flags) throws FuseError {
    FuseServer.requireRegular(n.kind);
    if (FuseServer.access(flags) != 0 || (flags & Posix.O_TRUNC) != 0) {
      throw new FuseError(FuseError.EROFS);
    }
    readable(n);
    return new byte[16];
  }

  private static byte[] openFolder(Node n) throws FuseError {
    if (!isFolder(n)) {
      throw new FuseError(FuseError.ENOTDIR);
    }
    return new byte[16];
  }

  private static byte[] read(Node n, long offset, int size) throws FuseError {
    FuseServer.requireRegular(n.kind);
    byte[] c = readable(n).content;
    int from = (int) Math.clamp(offset, 0L, c.length);
    return Arrays.copyOfRange(
        c, from, from + Math.clamp(size, 0, Math.min(Posix.MOST, c.length - from)));
  }

  private byte[] list(long number, long offset, int size) throws FuseError {
    ByteBuffer o = FuseServer.out(Math.clamp(size, 0, Posix.MOST));
    long at = 0;
    for (var e : folder(number).names.entrySet()) {
      at++;
      byte[] name = e.getKey().getBytes(StandardCharsets.ISO_8859_1);
      int bytes = DIRENT + name.length + 7 & ~7;
      if (at <= offset) {
        continue;
      }
      if (bytes > o.remaining()) {
        break;
      }
      int end = o.position() + bytes;
      o.putLong(e.getValue()).putLong(at).putInt(name.length).putInt(node(e.getValue()).kind);
      o.put(name).position(end);
    }
    return Arrays.copyOf(o.array(), o.position());
  }

  /** Full, for nothing can be written. */
  private byte[] statistics() {
    ByteBuffer o = FuseServer.out(80).putLong((bytes + PAGE - 1) / PAGE).putLong(0).putLong(0);
    o.putLong(nodes.size()).putLong(0);
    return o.putInt(PAGE).putInt(255).putInt(PAGE).array();
  }
}
