package dev.vesper.fuzz.store;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A campaign in a directory as AFL has it: {@code queue}, {@code crashes}, {@code hangs}, and
 * {@code fuzz_bitmap} for the map. Files are written beside their place and moved there, so that
 * whoever ends the process at any time leaves whole ones. One process has a directory at a time.
 */
public final class DirectoryStore implements CampaignStore {
  /** The most entries of a kind that a directory may have. */
  public static final int MOST = 1_000_000;

  private static final Pattern NAME = Pattern.compile("id_([0-9]{6,7}),([0-9a-f]{64})");
  private static final String MAP_FILE = "fuzz_bitmap";
  private static final String LOCK = ".lock";
  private static final String PART = ".part";

  private final Path directory;
  private final FileChannel lock;
  private final MemoryStore rest = new MemoryStore();

  /** File names by entry. */
  private final Map<Kind, TreeMap<String, Path>> files = new EnumMap<>(Kind.class);

  private final Map<Kind, Integer> next = new EnumMap<>(Kind.class);
  private final Turns turns = new Turns();
  private byte[] map = new byte[MAP];

  /**
   * Opens a campaign, or begins one.
   *
   * @param directory is made if it is not there
   * @throws CampaignException if it cannot be read or written, is another process's, or has what no
   *     campaign has left
   */
  public DirectoryStore(Path directory) throws CampaignException {
    this.directory = directory;
    try {
      for (Kind k : Kind.values()) {
        Files.createDirectories(folder(k));
      }
      lock =
          FileChannel.open(
              directory.resolve(LOCK),
              StandardOpenOption.CREATE,
              StandardOpenOption.WRITE,
              LinkOption.NOFOLLOW_LINKS);
    } catch (IOException | UnsupportedOperationException e) {
      throw new CampaignException(directory + ": it can be no campaign's directory: " + why(e));
    }
    try {
      FileLock l;
      try {
        l = lock.tryLock();
      } catch (OverlappingFileLockException e) {
        l = null;
      }
      if (l == null) {
        throw new CampaignException(
            directory + ": another campaign works in it: give another directory, or end that one");
      }
      for (Kind k : Kind.values()) {
        files.put(k, list(k));
      }
      readMap();
    } catch (IOException e) {
      closeLock();
      throw new CampaignException(directory + ": it cannot be read: " + why(e));
    } catch (CampaignException e) {
      closeLock();
      throw e;
    }
  }

  private static String why(Exception e) {
    String m = e.getMessage();
    return e.getClass().getSimpleName() + (m == null ? "" : " " + m);
  }

  private void closeLock() {
    try {
      lock.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** {@return where entries of a kind are} */
  public static Path folder(Path directory, Kind kind) {
    return directory.resolve(
        switch (kind) {
          case QUEUE -> "queue";
          case CRASH -> "crashes";
          case HANG -> "hangs";
        });
  }

  private Path folder(Kind kind) {
    return folder(directory, kind);
  }

  private TreeMap<String, Path> list(Kind kind) throws IOException, CampaignException {
    TreeMap<String, Path> all = new TreeMap<>();
    int last = -1;
    try (DirectoryStream<Path> s = Files.newDirectoryStream(folder(kind))) {
      for (Path p : s) {
        Matcher m = NAME.matcher(p.getFileName().toString());
        if (!m.matches() || !Files.isRegularFile(p, LinkOption.NOFOLLOW_LINKS)) {
          // Notes of people's, and parts of files of a process that was ended.
          continue;
        }
        if (all.size() == MOST) {
          throw new CampaignException(
              folder(kind) + ": there are more than " + MOST + " entries: remove some");
        }
        if (Files.size(p) > LARGEST_ENTRY) {
          throw new CampaignException(
              p + ": an entry has at most " + LARGEST_ENTRY + " bytes: remove it");
        }
        all.put(m.group(2), p);
        last = Math.max(last, Integer.parseInt(m.group(1)));
      }
    } catch (java.nio.file.DirectoryIteratorException e) {
      throw e.getCause();
    }
    next.put(kind, last + 1);
    return all;
  }

  private void readMap() throws IOException, CampaignException {
    Path p = directory.resolve(MAP_FILE);
    if (!Files.exists(p, LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    if (!Files.isRegularFile(p, LinkOption.NOFOLLOW_LINKS) || Files.size(p) != MAP) {
      throw new CampaignException(p + ": a map has " + MAP + " bytes: remove it");
    }
    map = Files.readAllBytes(p);
  }

  private TreeMap<String, Path> of(Kind kind) {
    return Objects.requireNonNull(files.get(kind));
  }

  /**
   * Writes a file of the campaign as a whole.
   *
   * @param name of it in the directory
   * @throws UncheckedIOException if that is not possible
   */
  public void write(String name, byte[] bytes) {
    try {
      replace(directory.resolve(name), bytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Adds to a file of the campaign.
   *
   * @param name of it in the directory
   * @throws UncheckedIOException if that is not possible
   */
  public void append(String name, byte[] bytes) {
    try {
      Files.write(
          directory.resolve(name),
          bytes,
          StandardOpenOption.CREATE,
          StandardOpenOption.APPEND,
          LinkOption.NOFOLLOW_LINKS);
    } catch (IOException | UnsupportedOperationException e) {
      throw new UncheckedIOException(e instanceof IOException i ? i : new IOException(e));
    }
  }

  private static void replace(Path p, byte[] bytes) throws IOException {
    Path part = p.resolveSibling("." + p.getFileName() + PART);
    Files.deleteIfExists(part);
    Files.write(part, bytes, StandardOpenOption.CREATE_NEW);
    Files.move(part, p, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  @Override
  public synchronized boolean add(Kind kind, String name, byte[] entry) {
    Entries.require(name, entry);
    if (of(kind).containsKey(name)) {
      return false;
    }
    int n = next.merge(kind, 1, Integer::sum) - 1;
    Path p = folder(kind).resolve(String.format(Locale.ROOT, "id_%06d,%s", n, name));
    try {
      replace(p, entry);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    of(kind).put(name, p);
    return true;
  }

  @Override
  public synchronized byte @Nullable [] entry(Kind kind, String name) {
    Path p = of(kind).get(name);
    if (p == null) {
      return null;
    }
    try {
      // It may have grown since it was listed.
      return Files.size(p) > LARGEST_ENTRY ? null : Files.readAllBytes(p);
    } catch (IOException e) {
      return null;
    }
  }

  /** {@return the file of an entry, or null if there is none} */
  public synchronized @Nullable Path file(Kind kind, String name) {
    return of(kind).get(name);
  }

  @Override
  public synchronized List<String> names(Kind kind) {
    return List.copyOf(of(kind).keySet());
  }

  @Override
  public synchronized byte[] merge(byte[] seen) {
    Entries.join(map, seen);
    write(MAP_FILE, map);
    return map.clone();
  }

  @Override
  public synchronized Optional<String> claim(String member) {
    return turns.next(of(Kind.QUEUE).keySet());
  }

  @Override
  public void report(Progress progress) {
    rest.report(progress);
  }

  @Override
  public List<Progress> members() {
    return rest.members();
  }

  @Override
  public synchronized void close() {
    closeLock();
  }
}
