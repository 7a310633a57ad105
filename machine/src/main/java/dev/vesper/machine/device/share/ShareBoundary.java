package dev.vesper.machine.device.share;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What lies in shared folders. A guest can put a link, or another folder, in the place of whatever
 * is in its folder: so shares keep apart from each other, and from every file that whoever runs the
 * guest reads or writes by a path.
 *
 * <p>Places are compared, not names: symbolic links are resolved, one by one, and a folder that is
 * mounted at two places (Linux's {@code mount --bind}) is one. Files with several names (hard
 * links) are looked for in the shares of their file system.
 */
public final class ShareBoundary {
  private static final int MOST_LINKS = 40;

  /** How many files of a share are looked at for another name of a file. */
  private static final int MOST_SEEN = 200_000;

  private static final Path MOUNTS = Path.of("/proc/self/mountinfo");

  /**
   * A folder of a file system, wherever that is mounted.
   *
   * @param device of the file system
   */
  private record Place(String device, Path path) {
    boolean contains(Place p) {
      return device.equals(p.device) && p.path.startsWith(path);
    }
  }

  /**
   * Something that is mounted.
   *
   * @param root the folder of the file system that is seen
   * @param at where
   */
  private record Mount(String device, Path root, Path at) {}

  /** A share and all the places that are seen in it. */
  private record Covered(FuseServer server, List<Place> places) {
    boolean contains(Place p) {
      return places.stream().anyMatch(q -> q.contains(p));
    }
  }

  private final List<Mount> mounts;
  private final List<Covered> shares = new ArrayList<>();

  /**
   * @throws IllegalArgumentException if two shares overlap, in one line
   */
  public ShareBoundary(List<FuseServer> servers) {
    mounts = servers.isEmpty() ? List.of() : mounts();
    for (FuseServer s : servers) {
      Covered c = new Covered(s, places(s.root()));
      for (Covered o : shares) {
        if (c.places.stream().anyMatch(o::contains) || o.places.stream().anyMatch(c::contains)) {
          throw new IllegalArgumentException(
              "cannot share "
                  + s.root()
                  + ": it overlaps "
                  + o.server.root()
                  + ", which is shared as well, and a guest could make one lead out of the other");
        }
      }
      shares.add(c);
    }
    for (FuseServer s : servers) {
      for (Covered c : shares) {
        if (c.server != s && leadsThrough(c, s.named())) {
          throw new IllegalArgumentException(
              "cannot share "
                  + s.named()
                  + ": the way there leads through "
                  + c.server.root()
                  + ", which is shared as well");
        }
      }
    }
  }

  /**
   * Refuses a file that is written if it lies in a share, is reached through one, or has another
   * name in one. It need not be there yet.
   *
   * @throws IllegalArgumentException if so, in one line
   */
  public void requireWritable(Path file) {
    for (Covered c : shares) {
      require(c, file, "write");
    }
  }

  /**
   * Refuses a file that is read if it lies in a share that the guest can write, is reached through
   * one, or has another name in one.
   *
   * @throws IllegalArgumentException if so, in one line
   */
  public void requireReadable(Path file) {
    for (Covered c : shares) {
      if (!c.server.readOnly()) {
        require(c, file, "read");
      }
    }
  }

  private void require(Covered c, Path file, String verb) {
    boolean in;
    String why = " lies in ";
    try {
      in = leadsThrough(c, file);
      if (!in && hasNameIn(c, file)) {
        why = " has another name in ";
        in = true;
      }
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("cannot " + verb + " " + file + ": " + e.getMessage(), e);
    }
    if (in) {
      throw new IllegalArgumentException(
          "cannot "
              + verb
              + " "
              + file
              + ": it"
              + why
              + c.server.root()
              + ", which the guest shares"
              + (c.server.readOnly() ? "" : " and could change")
              + ": name a file elsewhere");
    }
  }

  // ---- ways

  private boolean leadsThrough(Covered c, Path file) {
    return folders(file).stream().anyMatch(f -> c.contains(place(f)));
  }

  /** {@return every folder, without links, in which a name is looked up on the way to a file} */
  private static Set<Path> folders(Path file) {
    Path absolute = file.toAbsolutePath();
    Path at = absolute.getRoot();
    Set<Path> seen = new HashSet<>();
    Deque<Path> todo = new ArrayDeque<>();
    absolute.forEach(todo::add);
    int links = 0;
    while (!todo.isEmpty()) {
      String name = todo.pop().toString();
      if (name.isEmpty() || name.equals(".")) {
        continue;
      }
      seen.add(at);
      if (name.equals("..")) {
        at = at.getParent() == null ? at : at.getParent();
        continue;
      }
      Path p = at.resolve(name);
      if (!Files.isSymbolicLink(p)) {
        at = p;
        continue;
      }
      links++;
      if (links > MOST_LINKS) {
        throw new IllegalArgumentException("too many symbolic links");
      }
      try {
        Path target = Files.readSymbolicLink(p);
        if (target.isAbsolute()) {
          at = target.getRoot();
        }
        List<Path> names = new ArrayList<>();
        target.forEach(names::add);
        names.reversed().forEach(todo::push);
      } catch (IOException e) {
        throw new IllegalArgumentException("the link " + p + " cannot be read", e);
      }
    }
    return seen;
  }

  // ---- places

  private static List<Mount> mounts() {
    List<String> lines;
    try {
      lines = Files.readAllLines(MOUNTS, StandardCharsets.ISO_8859_1);
    } catch (IOException e) {
      throw new IllegalArgumentException("cannot share folders without " + MOUNTS, e);
    }
    List<Mount> all = new ArrayList<>();
    for (String line : lines) {
      // proc(5): number, parent, device, root, mount point, ...; spaces and the like as \040
      String[] f = line.split(" ");
      try {
        all.add(new Mount(f[2], Path.of(unescaped(f[3])), Path.of(unescaped(f[4]))));
      } catch (InvalidPathException e) {
        // A name that the locale has no letters for is none that anybody has named.
      }
    }
    return all;
  }

  private static String unescaped(String s) {
    StringBuilder b = new StringBuilder();
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      if (c == '\\' && i + 3 < s.length()) {
        c = (char) Integer.parseInt(s.substring(i + 1, i + 4), 8);
        i += 3;
      }
      b.append(c);
    }
    return new String(b.toString().getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8);
  }

  /** {@return the place of a folder whose path has no links} */
  private Place place(Path real) {
    Mount best = null;
    for (Mount m : mounts) {
      // Of two that are mounted at one place the last is seen.
      if (real.startsWith(m.at)
          && (best == null || m.at.getNameCount() >= best.at.getNameCount())) {
        best = m;
      }
    }
    return best == null
        ? new Place("", real)
        : new Place(best.device, best.root.resolve(best.at.relativize(real)).normalize());
  }

  /** {@return the place of a folder, and those of whatever is mounted below it} */
  private List<Place> places(Path real) {
    List<Place> all = new ArrayList<>();
    all.add(place(real));
    for (Mount m : mounts) {
      if (m.at.startsWith(real)) {
        all.add(new Place(m.device, m.root));
      }
    }
    return all;
  }

  // ---- hard links

  private static @Nullable Map<String, Object> unix(Path p) {
    try {
      return Files.readAttributes(p, "unix:dev,ino,nlink,mode");
    } catch (IOException e) {
      // It is to be made, or whoever opens it says why that cannot be.
      return null;
    }
  }

  private static long number(Map<String, Object> attributes, String name) {
    return ((Number) Objects.requireNonNull(attributes.get(name))).longValue();
  }

  /** {@return whether a share has one of the names of a file that has several} */
  private static boolean hasNameIn(Covered c, Path file) {
    Map<String, Object> a = unix(file);
    if (a == null
        || (number(a, "mode") >> 12 & 15) != Posix.Stat.REGULAR
        || number(a, "nlink") < 2) {
      return false;
    }
    if (c.places.size() == 1 && number(a, "dev") != c.server.device()) {
      return false;
    }
    Object key = key(file);
    boolean[] found = new boolean[1];
    int[] seen = new int[1];
    try {
      Files.walkFileTree(
          c.server.root(),
          new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult preVisitDirectory(Path f, BasicFileAttributes b) {
              seen[0]++;
              return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFile(Path f, BasicFileAttributes b) {
              found[0] = key.equals(b.fileKey());
              seen[0]++;
              return found[0] || seen[0] > MOST_SEEN
                  ? FileVisitResult.TERMINATE
                  : FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFileFailed(Path f, IOException e) throws IOException {
              if (e instanceof AccessDeniedException || e instanceof NoSuchFileException) {
                return FileVisitResult.CONTINUE;
              }
              throw e;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path f, @Nullable IOException e) {
              return FileVisitResult.CONTINUE;
            }
          });
    } catch (IOException e) {
      seen[0] = MOST_SEEN + 1;
    }
    if (!found[0] && seen[0] > MOST_SEEN) {
      throw new IllegalArgumentException(
          "it has "
              + number(a, "nlink")
              + " names, and "
              + c.server.root()
              + ", which the guest shares, is too large to look for them: name a file elsewhere");
    }
    return found[0];
  }

  private static Object key(Path file) {
    try {
      return Objects.requireNonNull(
          Files.readAttributes(file, BasicFileAttributes.class).fileKey(), "no key");
    } catch (IOException e) {
      throw new IllegalArgumentException("it is gone", e);
    }
  }
}
