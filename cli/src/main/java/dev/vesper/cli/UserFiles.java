package dev.vesper.cli;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** Files that the user named: what cannot be done is a {@link UserError}. */
final class UserFiles {
  private static final int MOST = 1 << 30;

  /** What has no end must not take all memory: while it is read there are two copies of it. */
  private static final int PART_OF_MEMORY = 3;

  private UserFiles() {}

  /**
   * {@return the path of a name}
   *
   * @throws UserError if no file can have it: it has a NUL, or letters that the locale has not
   */
  static Path path(String name) {
    try {
      return Path.of(name);
    } catch (InvalidPathException e) {
      throw new UserError("'" + name + "' is not a file name");
    }
  }

  /**
   * {@return a file's bytes}
   *
   * @param what it is, for messages
   */
  static byte[] read(Path p, String what) {
    try {
      if (Files.isDirectory(p)) {
        throw new UserError("the " + what + " " + p + " is a directory: name a file");
      }
      // Read to a limit rather than ask for the size: the name may be a device or a pipe.
      byte[] b;
      try (InputStream in = Files.newInputStream(p)) {
        int most = (int) Math.min(MOST, Runtime.getRuntime().maxMemory() / PART_OF_MEMORY);
        b = in.readNBytes(most + 1);
        if (b.length > most) {
          throw new UserError(
              "the "
                  + what
                  + " "
                  + p
                  + " is larger than "
                  + (most >> 20)
                  + " MiB, which is the most");
        }
      }
      return b;
    } catch (IOException e) {
      throw new UserError("cannot read the " + what + " " + p + ": " + UserError.reason(e));
    }
  }

  /** {@return a file's text} */
  static String text(Path p, String what) {
    return new String(read(p, what), StandardCharsets.UTF_8);
  }

  /** Refuses a name in a folder that is not there, before there is anything to write. */
  static void requireFolder(Path p) {
    Path folder = p.toAbsolutePath().getParent();
    if (folder != null && !Files.isDirectory(folder)) {
      throw new UserError("cannot write " + p + ": the folder " + folder + " is not there");
    }
  }

  /** Writes a whole file: it is there completely or as it was before. */
  static void write(Path p, byte[] bytes) {
    try {
      if (Files.exists(p) && !Files.isRegularFile(p)) {
        // A device or a pipe is written to, not replaced.
        Files.write(p, bytes);
        return;
      }
      Path folder = p.toAbsolutePath().getParent();
      Path t = Files.createTempFile(folder == null ? Path.of(".") : folder, ".vesper", null);
      try {
        Files.write(t, bytes);
        Files.move(t, p, StandardCopyOption.REPLACE_EXISTING);
      } finally {
        Files.deleteIfExists(t);
      }
    } catch (IOException e) {
      throw new UserError("cannot write " + p + ": " + UserError.reason(e));
    }
  }
}
