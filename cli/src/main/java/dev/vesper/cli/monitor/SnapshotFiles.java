package dev.vesper.cli.monitor;

import dev.vesper.machine.Machine;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * States as files, each called by its tag, in the folder that clients may write to: what {@code
 * savevm} keeps beyond the run, and {@code -loadvm} goes on from. A file that is none of these is
 * never written over, nor removed.
 */
final class SnapshotFiles {
  private static final String SUFFIX = ".vsn";
  private static final String NAME = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}";

  /** What files begin with that are, or were to become, a snapshot. */
  private static final Set<String> MAGIC = Set.of("VESPERSN", "VESPERS?");

  private final WrittenFiles files;

  SnapshotFiles(WrittenFiles files) {
    this.files = files;
  }

  /** A file. */
  record Entry(String tag, long bytes, LocalDateTime date) {}

  /** {@return whether there is a folder for them} */
  boolean isWanted() {
    return files.folder() != null;
  }

  private Path place(String tag) throws Snapshots.Failed {
    if (!tag.matches(NAME)) {
      throw new Snapshots.Failed(
          "a snapshot in a file is called by letters, digits, '_', '.' and '-'");
    }
    try {
      return files.place(tag + SUFFIX);
    } catch (Refusal e) {
      throw new Snapshots.Failed(e.line());
    }
  }

  private static boolean isOne(Path p) {
    try (SeekableByteChannel c =
        Files.newByteChannel(p, StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS)) {
      ByteBuffer b = ByteBuffer.allocate(8);
      while (b.hasRemaining() && c.read(b) >= 0) {
        continue;
      }
      return MAGIC.contains(new String(b.array(), StandardCharsets.US_ASCII));
    } catch (IOException e) {
      return false;
    }
  }

  /** {@return the file of a tag, or null if there is none} */
  @Nullable Path find(String tag) throws Snapshots.Failed {
    if (!isWanted() || !tag.matches(NAME)) {
      return null;
    }
    Path p = place(tag);
    return Files.exists(p, LinkOption.NOFOLLOW_LINKS) && isOne(p) ? p : null;
  }

  /** Writes a machine, in place of what has the tag. */
  void save(Machine m, String tag) throws Snapshots.Failed {
    Path p = place(tag);
    boolean there = Files.exists(p, LinkOption.NOFOLLOW_LINKS);
    if (there && !isOne(p)) {
      throw new Snapshots.Failed("'" + p.getFileName() + "' is there, and is no snapshot");
    }
    boolean whole = false;
    try (SeekableByteChannel c =
        Files.newByteChannel(
            p, StandardOpenOption.CREATE, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS)) {
      m.save(c, null);
      whole = true;
    } catch (IOException e) {
      throw new Snapshots.Failed(WrittenFiles.refused(tag + SUFFIX, e).line());
    } catch (IllegalStateException e) {
      // Of a guest whose life is over, for example, there is nothing to go on from.
      throw new Snapshots.Failed(
          "'" + tag + "' is kept in memory, and in no file: " + e.getMessage());
    } finally {
      if (!whole && !there) {
        WrittenFiles.remove(p);
      }
    }
  }

  /** Removes the file of a tag; {@return whether there was one} */
  boolean delete(String tag) throws Snapshots.Failed {
    Path p = find(tag);
    if (p != null) {
      WrittenFiles.remove(p);
    }
    return p != null;
  }

  /** {@return all files, by their names} */
  List<Entry> list() {
    Path folder = files.folder();
    List<Entry> all = new ArrayList<>();
    if (folder == null) {
      return all;
    }
    try (Stream<Path> found = Files.list(folder)) {
      for (Path p : found.sorted().toList()) {
        String name = String.valueOf(p.getFileName());
        String tag =
            name.endsWith(SUFFIX) ? name.substring(0, name.length() - SUFFIX.length()) : "";
        if (tag.matches(NAME) && Files.isRegularFile(p, LinkOption.NOFOLLOW_LINKS) && isOne(p)) {
          FileTime t = Files.getLastModifiedTime(p, LinkOption.NOFOLLOW_LINKS);
          all.add(
              new Entry(
                  tag,
                  Files.size(p),
                  LocalDateTime.ofInstant(t.toInstant(), ZoneId.systemDefault())));
        }
      }
    } catch (IOException e) {
      // What cannot be listed is not there for anybody.
      return all;
    }
    return all;
  }
}
