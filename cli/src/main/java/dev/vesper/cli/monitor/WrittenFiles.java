package dev.vesper.cli.monitor;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/**
 * Where clients may have files written: in one folder that was named, and nowhere else. A client
 * has less rights than who has started the run.
 */
public final class WrittenFiles {
  private final @Nullable Path folder;

  /**
   * @param folder absolute, or null if no file may be written
   */
  public WrittenFiles(@Nullable Path folder) {
    this.folder = folder;
  }

  /** {@return the folder, or null if no file may be written} */
  @Nullable Path folder() {
    return folder;
  }

  /**
   * {@return a file as a client names it: in the folder, or by a path that leads into it}
   *
   * @throws Refusal if it is elsewhere
   */
  Path place(String name) throws Refusal {
    Path f = folder;
    if (f == null) {
      throw new Refusal("no folder for files was named: --monitor-files DIR");
    }
    try {
      Path p = f.resolve(name);
      Path parent = p.getParent();
      Path file = p.getFileName();
      // By where they are, so that neither .. nor a link leads elsewhere.
      if (parent == null || file == null || !parent.toRealPath().startsWith(f.toRealPath())) {
        throw new Refusal("'" + name + "' is not in " + f + ", which --monitor-files names");
      }
      if (file.toString().equals("..") || file.toString().equals(".")) {
        throw new Refusal("'" + name + "' is no name of a file");
      }
      Path real = parent.toRealPath().resolve(file);
      if (Files.exists(real, LinkOption.NOFOLLOW_LINKS)
          && !Files.isRegularFile(real, LinkOption.NOFOLLOW_LINKS)) {
        throw new Refusal("'" + name + "' is there and no file");
      }
      return real;
    } catch (InvalidPathException | IOException e) {
      throw refused(name, e);
    }
  }

  /** {@return why a file cannot be written} */
  static Refusal refused(String name, Exception e) {
    return new Refusal("Could not open '" + name + "': " + reason(e));
  }

  private static String reason(Exception e) {
    return e instanceof InvalidPathException
        ? "that is no path"
        : e instanceof NoSuchFileException
            ? "No such file or directory"
            : String.valueOf(e.getMessage());
  }

  /** Writes a file's bytes piece by piece. */
  interface Content {
    void to(OutputStream out) throws IOException, Refusal;
  }

  /**
   * {@return the file that was written} One that cannot be written to its end is not left behind.
   */
  Path write(String name, Content content) throws Refusal {
    Path p = place(name);
    // What cannot be opened may be there, and is not for us to remove.
    boolean begun = false;
    boolean whole = false;
    try {
      try (OutputStream out = open(p)) {
        begun = true;
        content.to(out);
      }
      whole = true;
      return p;
    } catch (IOException e) {
      throw refused(name, e);
    } finally {
      if (begun && !whole) {
        remove(p);
      }
    }
  }

  /** {@return a stream to a file, which follows no link} */
  static OutputStream open(Path p) throws IOException {
    return new BufferedOutputStream(
        Files.newOutputStream(
            p,
            StandardOpenOption.CREATE,
            StandardOpenOption.TRUNCATE_EXISTING,
            StandardOpenOption.WRITE,
            LinkOption.NOFOLLOW_LINKS),
        1 << 16);
  }

  /** Removes a file, if it is there and can be. */
  static void remove(Path p) {
    try {
      Files.deleteIfExists(p);
    } catch (IOException e) {
      return;
    }
  }
}
