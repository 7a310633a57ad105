package dev.vesper.machine.device.share;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A folder and what is below it, as nodes with numbers. A node is one file or folder: what was
 * found under a name in another node when the guest looked. It is reached by a descriptor, never by
 * a path; descriptors that have not been used for long are closed, and got again from the nearest
 * one, name by name, none of which may have become a link or anything else than it was.
 */
final class SharedFolder {
  /** Number of the folder itself. */
  static final long ROOT = 1;

  /** A guest that looks up ever more names is told that there are too many. */
  private static final int MOST_NODES = 1 << 20;

  /** The same for long names, in bytes. */
  private static final long MOST_NAME_BYTES = 1L << 26;

  /** Folders in folders, at most: what a walk through all of them may take. */
  private static final int MOST_DEPTH = 512;

  /** Descriptors that are kept; a request uses two. */
  private static final int MOST_KEPT = 256;

  private static final int NONE = -1;

  /** Charset of the computer's file names in Java. */
  private static final Charset NAMES =
      Charset.forName(System.getProperty("sun.jnu.encoding", "UTF-8"), StandardCharsets.UTF_8);

  /** A file or folder that the guest knows. */
  static final class Node {
    final long number;
    private final long device;
    private final long inode;
    final int kind;
    private @Nullable Node parent;
    private String name;
    private long lookups;
    private int file = NONE;
    private @Nullable Map<String, Node> children;

    private Node(long number, @Nullable Node parent, String name, Posix.Stat s) {
      this.number = number;
      this.parent = parent;
      this.name = name;
      device = s.device();
      inode = s.inode();
      kind = s.kind();
    }

    private boolean is(Posix.Stat s) {
      return s.inode() == inode && s.device() == device && s.kind() == kind;
    }
  }

  /**
   * What was found under a name.
   *
   * @param number of its node
   */
  record Found(long number, Posix.Stat stat) {}

  private final Posix posix;
  private final Node root;
  private final Path path;
  private final Map<Long, Node> nodes = new HashMap<>();

  /** Nodes with descriptors, the one that has been used last at the end. */
  private final LinkedHashMap<Long, Node> kept = new LinkedHashMap<>(16, 0.75f, true);

  private long next = ROOT + 1;
  private long nameBytes;

  /**
   * @throws IOException if it is no folder that can be read
   */
  SharedFolder(Path folder, Posix posix) throws IOException {
    this.posix = posix;
    Path real = folder.toRealPath();
    if (!Files.isDirectory(real)) {
      throw new IOException("it is no folder");
    }
    int file = NONE;
    try {
      ByteBuffer b = NAMES.newEncoder().encode(java.nio.CharBuffer.wrap(real.toString()));
      String bytes = StandardCharsets.ISO_8859_1.decode(b).toString();
      file = posix.openRoot(bytes);
      if (!bytes.equals(new String(posix.path(file), StandardCharsets.ISO_8859_1))) {
        throw new IOException("it has been moved just now, or /proc is not there");
      }
      root = new Node(ROOT, null, "", posix.stat(file));
    } catch (CharacterCodingException e) {
      closeQuietly(file);
      throw new IOException("the locale has no letters for its name", e);
    } catch (FuseError e) {
      closeQuietly(file);
      throw new IOException("error " + e.number + " of the system", e);
    } catch (IOException e) {
      closeQuietly(file);
      throw e;
    }
    root.file = file;
    path = real;
    nodes.put(ROOT, root);
  }

  private void closeQuietly(int file) {
    if (file != NONE) {
      posix.close(file);
    }
  }

  /** {@return where the folder was when it was shared, without links} */
  Path path() {
    return path;
  }

  /** {@return st_dev of stat(2) and Java's {@code unix:dev}: makedev(3) of both numbers} */
  long device() {
    long major = root.device >>> 32;
    long minor = root.device & 0xFFFF_FFFFL;
    return minor & 0xFF | (major & 0xFFF) << 8 | (minor & ~0xFFL) << 12 | (major & ~0xFFFL) << 32;
  }

  // ---- nodes

  /** {@return a node} */
  Node node(long number) throws FuseError {
    Node n = nodes.get(number);
    if (n == null) {
      throw new FuseError(FuseError.ENOENT);
    }
    return n;
  }

  private static void requireFolder(Node n) throws FuseError {
    if (n.kind != Posix.Stat.DIRECTORY) {
      throw new FuseError(FuseError.ENOTDIR);
    }
  }

  /** {@return a descriptor that stands for a node until the second next one is asked for} */
  int file(long number) throws FuseError {
    return file(node(number));
  }

  /** {@return the same for a folder} */
  int folder(long number) throws FuseError {
    Node n = node(number);
    requireFolder(n);
    return file(n);
  }

  private int file(Node n) throws FuseError {
    if (n == root) {
      return n.file;
    }
    if (n.file != NONE) {
      // Noted as used.
      kept.get(n.number);
      return n.file;
    }
    ArrayDeque<Node> way = new ArrayDeque<>();
    Node at = n;
    while (at.file == NONE) {
      way.push(at);
      Node p = at.parent;
      if (p == null) {
        throw new FuseError(FuseError.ENOENT);
      }
      // What others have moved about can make a ring of names.
      if (way.size() > MOST_DEPTH) {
        throw new FuseError(FuseError.ENAMETOOLONG);
      }
      at = p;
    }
    int file = at.file;
    boolean mine = false;
    for (Node step : way) {
      int below;
      try {
        below = posix.look(file, step.name);
      } finally {
        if (mine) {
          posix.close(file);
        }
      }
      file = below;
      mine = true;
      requireSame(step, file);
    }
    keep(n, file);
    return file;
  }

  /** Refuses, and closes, what is not what a node was found as. */
  private void requireSame(Node n, int file) throws FuseError {
    boolean same = false;
    try {
      same = n.is(posix.stat(file));
    } finally {
      if (!same) {
        posix.close(file);
      }
    }
    if (!same) {
      throw new FuseError(FuseError.ESTALE);
    }
  }

  private void keep(Node n, int file) {
    assert n.file == NONE : n.number;
    if (kept.size() >= MOST_KEPT) {
      drop(kept.firstEntry().getValue());
    }
    n.file = file;
    kept.put(n.number, n);
  }

  private void drop(Node n) {
    if (n != root && n.file != NONE) {
      kept.remove(n.number);
      posix.close(n.file);
      n.file = NONE;
    }
  }

  /**
   * {@return a name that can be one of a folder's entries}
   *
   * @param name bytes
   */
  static String requireName(String name) throws FuseError {
    if (name.isEmpty() || name.equals(".") || name.equals("..") || name.indexOf('/') >= 0) {
      throw new FuseError(FuseError.EINVAL);
    }
    return name;
  }

  /** {@return what a name in a folder stands for, looked up once more} */
  Found lookUp(long folder, String name) throws FuseError {
    int file = posix.look(folder(folder), requireName(name));
    boolean taken = false;
    try {
      Posix.Stat s = posix.stat(file);
      Node n = found(folder, name, s);
      if (n.file == NONE) {
        keep(n, file);
        taken = true;
      }
      return new Found(n.number, s);
    } finally {
      if (!taken) {
        posix.close(file);
      }
    }
  }

  /** {@return the node of what a name in a folder is known to stand for, looked up once more} */
  Node found(long folder, String name, Posix.Stat s) throws FuseError {
    Node p = node(folder);
    Node n = p.children == null ? null : p.children.get(name);
    if (n != null && !n.is(s)) {
      // Somebody else has put another one in its place.
      removed(folder, name);
      n = null;
    }
    if (n == null) {
      if (nodes.size() >= MOST_NODES || nameBytes + name.length() > MOST_NAME_BYTES) {
        throw new FuseError(FuseError.ENFILE);
      }
      n = new Node(next++, p, name, s);
      nameBytes += name.length();
      nodes.put(n.number, n);
      children(p).put(name, n);
    }
    n.lookups++;
    return n;
  }

  private static Map<String, Node> children(Node n) {
    Map<String, Node> c = n.children;
    if (c == null) {
      c = new HashMap<>();
      n.children = c;
    }
    return c;
  }

  /** The guest forgets a node as often as that. */
  void forget(long number, long times) {
    Node n = nodes.get(number);
    if (n == null || n == root) {
      return;
    }
    if (Long.compareUnsigned(times, n.lookups) < 0) {
      n.lookups -= times;
      return;
    }
    drop(n);
    nodes.remove(number);
    unname(n);
  }

  /** Forgets all that a guest has looked up. */
  void forgetAll() {
    while (!kept.isEmpty()) {
      drop(kept.firstEntry().getValue());
    }
    nodes.clear();
    nodes.put(ROOT, root);
    root.children = null;
    nameBytes = 0;
  }

  private void unname(Node n) {
    Node p = n.parent;
    if (p != null && p.children != null && p.children.remove(n.name, n) && p.children.isEmpty()) {
      p.children = null;
    }
    nameBytes -= n.name.length();
  }

  /** A name is gone: its node leads nowhere. */
  void removed(long folder, String name) throws FuseError {
    Node p = node(folder);
    Node n = p.children == null ? null : p.children.get(name);
    if (n != null) {
      drop(n);
      unname(n);
      n.name = "";
      n.parent = null;
    }
  }

  /** A name has become another one. */
  void renamed(long folder, String name, long newFolder, String newName) throws FuseError {
    if (folder == newFolder && name.equals(newName)) {
      return;
    }
    Node from = node(folder);
    Node n = from.children == null ? null : from.children.get(name);
    removed(newFolder, newName);
    if (n != null && n.parent == from) {
      unname(n);
      Node to = node(newFolder);
      n.parent = to;
      n.name = newName;
      nameBytes += newName.length();
      children(to).put(newName, n);
    }
  }

  void close() {
    forgetAll();
    nodes.clear();
    posix.close(root.file);
    root.file = NONE;
  }
}
