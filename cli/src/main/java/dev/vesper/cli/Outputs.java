package dev.vesper.cli;

import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The files that a command writes. All are opened before a guest runs and written through what was
 * opened then: wherever their names lead later, nothing is looked up again. What a name stands for
 * may be a device, a terminal or a pipe.
 */
final class Outputs implements Closeable {
  private final List<OutputFile> all = new ArrayList<>();

  /** Files that are written at once, at the end. */
  private final Map<Path, OutputFile> whole = new HashMap<>();

  /** Removes what was made for nothing; null if all was there. */
  private @Nullable Sweeper sweeper;

  /** Why a file could not be opened that may not be written at all. */
  private final Map<Path, String> refused = new HashMap<>();

  /**
   * {@return a new file that is written as things happen}
   *
   * @throws UserError if it cannot be written
   */
  OutputStream stream(Path p) {
    OutputFile f = opened(p, "cannot write ");
    try {
      f.empty();
    } catch (IOException e) {
      throw new UserError("cannot write " + p + ": " + UserError.reason(e));
    }
    return f;
  }

  /**
   * Opens a file for {@link #write}; it stays as it is until then.
   *
   * @throws UserError if it cannot be written
   */
  void open(Path p) {
    if (!whole.containsKey(p)) {
      whole.put(p, opened(p, "cannot write "));
    }
  }

  /** Opens a file that is there already; that it cannot be written is said when it is to be. */
  void openIfWritable(Path p) {
    if (!Files.isRegularFile(p)) {
      refused.put(p, "it is no file");
      return;
    }
    try {
      open(p);
    } catch (UserError e) {
      refused.put(p, String.valueOf(e.getMessage()));
    }
  }

  private OutputFile opened(Path p, String what) {
    try {
      OutputFile f = OutputFile.open(p);
      all.add(f);
      if (f.unused() != null && sweeper == null) {
        sweeper = new Sweeper();
      }
      return f;
    } catch (IOException e) {
      throw new UserError(what + p + ": " + UserError.reason(e));
    }
  }

  /** Writes a whole file that was opened for it. */
  void write(Path p, byte[] bytes) {
    OutputFile f = whole.get(p);
    if (f == null) {
      throw new UserError(refused.getOrDefault(p, "cannot write " + p));
    }
    try {
      f.replace(bytes);
    } catch (IOException e) {
      throw new OutputError(p.toString(), e);
    }
  }

  /**
   * From that time on nobody is waited for who does not take what is written.
   *
   * @param nanoTime of {@link System#nanoTime}
   */
  void deadline(long nanoTime) {
    all.forEach(f -> f.deadline(nanoTime));
  }

  /** Writes a file that is too large to be in memory. */
  interface Writing {
    /**
     * Writes it.
     *
     * @param whole takes it from its beginning on, or null if only a stream can
     * @param stream takes it if there is no other
     */
    void to(@Nullable SeekableByteChannel whole, OutputStream stream) throws IOException;
  }

  /** Has a whole file written that was opened for it. */
  void write(Path p, Writing w) throws IOException {
    OutputFile f = whole.get(p);
    if (f == null) {
      throw new UserError(refused.getOrDefault(p, "cannot write " + p));
    }
    w.to(f.channel(), f);
  }

  @Override
  public void close() {
    OutputError first = null;
    List<Path> unused = new ArrayList<>();
    for (OutputFile f : all) {
      if (f.unused() != null) {
        unused.add(f.unused());
      }
      try {
        f.close();
      } catch (OutputError e) {
        first = first != null ? first : e;
      }
    }
    if (sweeper != null && !unused.isEmpty()) {
      sweeper.remove(unused);
    }
    if (first != null) {
      throw first;
    }
  }
}
