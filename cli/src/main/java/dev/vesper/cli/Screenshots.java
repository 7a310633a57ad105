package dev.vesper.cli;

import dev.vesper.machine.Machine;
import dev.vesper.machine.observe.format.Visible;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SecureDirectoryStream;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;

/**
 * Screenshots that are asked for while a guest runs, beside the file for the one at the end: of
 * F.png F-1.png, F-2.png and so on, each a new file in the folder that was opened at the start.
 *
 * <p>A run that is confined can make no file: the thread that does it here is older than the
 * confinement, and makes none but these.
 */
final class Screenshots implements Closeable {
  private static final int MOST = 9_999;

  /** Whoever reads the folder's name anew may find another one. */
  private final DirectoryStream<Path> folder;

  private final Path named;
  private final ExecutorService writer;
  private int last;

  /**
   * @param named the file for the screenshot at the end, which ends in .png or .txt
   * @throws UserError if its folder cannot be opened
   */
  Screenshots(Path named) {
    this.named = named;
    try {
      folder = Files.newDirectoryStream(named.toAbsolutePath().getParent());
    } catch (IOException e) {
      throw new UserError("cannot write " + named + ": " + UserError.reason(e));
    }
    writer =
        Executors.newSingleThreadExecutor(
            r -> {
              Thread t = new Thread(r, "screenshots");
              t.setDaemon(true);
              return t;
            });
    // It must be there before the confinement is.
    writer.execute(() -> {});
  }

  /**
   * {@return what a file of that name gets, or null if the screen shows text in no font}
   *
   * @param p ends in .png or .txt
   */
  static byte @Nullable [] picture(Machine m, Path p) {
    if (!p.toString().endsWith(".txt")) {
      return m.screenPng();
    }
    String text = m.screenText();
    return Visible.lines(text == null ? "" : text).getBytes(StandardCharsets.UTF_8);
  }

  /** Saves what the screen shows now. {@return what has become of it, for people} */
  String save(Machine m) {
    byte[] picture = picture(m, named);
    if (picture == null) {
      return "the screen shows text and nobody has loaded a font; name a .txt file";
    }
    try {
      return "screenshot in " + writer.submit(() -> write(picture)).get();
    } catch (ExecutionException e) {
      return "cannot save a screenshot: "
          + (e.getCause() instanceof IOException x ? UserError.reason(x) : e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return "no screenshot: interrupted";
    }
  }

  private Path write(byte[] picture) throws IOException {
    String name = String.valueOf(named.getFileName());
    int dot = name.lastIndexOf('.');
    while (last < MOST) {
      last++;
      Path p = Path.of(name.substring(0, dot) + "-" + last + name.substring(dot));
      try (SeekableByteChannel c = open(p)) {
        ByteBuffer b = ByteBuffer.wrap(picture);
        while (b.hasRemaining()) {
          c.write(b);
        }
        return named.resolveSibling(p);
      } catch (FileAlreadyExistsException e) {
        // Somebody's: the next number.
        continue;
      }
    }
    throw new IOException("there are too many");
  }

  private SeekableByteChannel open(Path p) throws IOException {
    Set<StandardOpenOption> how = Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    return folder instanceof SecureDirectoryStream<Path> s
        ? s.newByteChannel(p, how)
        : Files.newByteChannel(named.resolveSibling(p), how);
  }

  @Override
  public void close() throws IOException {
    writer.shutdown();
    folder.close();
  }
}
