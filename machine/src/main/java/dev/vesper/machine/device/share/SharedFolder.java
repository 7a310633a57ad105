package dev.vesper.machine.device.share;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A folder and what is below it, as nodes with numbers. A node is a name in another node; before
 * each use the way to it is walked anew, and where a symbolic link has come into it the use fails,
 * so that no guest gets out of the folder however it renames and links.
 */
final class SharedFolder {
  /** Number of the folder itself. */
  static final long ROOT = 1;

  /** A guest that looks up ever more names is told that there are too many. */
  private static final int MOST_NODES = 1 << 20;

  private static final class Node {
    @Nullable Node parent;
    String name;
    long lookups;
    final long number;

    Node(@Nullable Node parent, String name, long number) {
      this.parent = parent;
      this.name = name;
      this.number = number;
    }
  }

  private record Key(long parent, String name) {}

  private final Path root;
  private final Map<Long, Node> nodes = new HashMap<>();
  private final Map<Key, Node> names = new HashMap<>();
  private long next = ROOT + 1;

  /**
   * @throws IOException if it is no folder that can be read
   */
  SharedFolder(Path folder) throws IOException {
    root = folder.toRealPath();
    nodes.put(ROOT, new Node(null, "", ROOT));
  }

  private Node node(long number) throws FuseError {
    Node n = nodes.get(number);
    if (n == null) {
      throw new FuseError(FuseError.ENOENT);
    }
    return n;
  }

  private Path walk(Node n) throws FuseError {
    Node p = n.parent;
    if (p == null) {
      if (n.number != ROOT) {
        throw new FuseError(FuseError.ENOENT);
      }
      return root;
    }
    Path folder = walk(p);
    if (!Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)) {
      throw new FuseError(FuseError.ENOTDIR);
    }
    return folder.resolve(n.name);
  }

  /** {@return where a node is; it itself may be a symbolic link, nothing before it is one} */
  Path path(long number) throws FuseError {
    return walk(node(number));
  }

  /** {@return where a name in a folder is, whether there is something or not} */
  Path path(long folder, String name) throws FuseError {
    if (name.isEmpty() || name.equals(".") || name.equals("..") || name.indexOf('/') >= 0) {
      throw new FuseError(FuseError.EINVAL);
    }
    Path p = path(folder);
    if (!Files.isDirectory(p, LinkOption.NOFOLLOW_LINKS)) {
      throw new FuseError(FuseError.ENOTDIR);
    }
    try {
      return p.resolve(name);
    } catch (java.nio.file.InvalidPathException e) {
      throw new FuseError(FuseError.EINVAL);
    }
  }

  /** {@return the number of a name in a folder, looked up once more} */
  long lookUp(long folder, String name) throws FuseError {
    Node n = names.get(new Key(folder, name));
    if (n == null) {
      if (nodes.size() >= MOST_NODES) {
        throw new FuseError(FuseError.ENFILE);
      }
      n = new Node(node(folder), name, next++);
      nodes.put(n.number, n);
      names.put(new Key(folder, name), n);
    }
    n.lookups++;
    return n.number;
  }

  /** The guest forgets a node as often as that. */
  void forget(long number, long times) {
    Node n = nodes.get(number);
    if (n == null || number == ROOT) {
      return;
    }
    n.lookups -= times;
    if (n.lookups <= 0) {
      nodes.remove(number);
      unname(n);
    }
  }

  private void unname(Node n) {
    Node p = n.parent;
    if (p != null) {
      names.remove(new Key(p.number, n.name), n);
    }
  }

  /** A name is gone: its node leads nowhere. */
  void removed(long folder, String name) {
    Node n = names.remove(new Key(folder, name));
    if (n != null) {
      n.parent = null;
    }
  }

  /** A name has become another one. */
  void renamed(long folder, String name, long newFolder, String newName) throws FuseError {
    removed(newFolder, newName);
    Node n = names.remove(new Key(folder, name));
    if (n != null) {
      n.parent = node(newFolder);
      n.name = newName;
      names.put(new Key(newFolder, newName), n);
    }
  }
}
