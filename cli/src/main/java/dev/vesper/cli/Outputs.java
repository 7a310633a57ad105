package dev.vesper.cli;

import java.io.Closeable;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
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

  /**
   * {@return a stream that writes a whole file which was opened for it, too large to be in memory;
   * closing it ends the file}
   */
  OutputStream replacing(Path p) throws IOException {
    OutputFile f = whole.get(p);
    if (f == null) {
      throw new UserError(refused.getOrDefault(p, "cannot write " + p));
    }
    f.rewind();
    return new FilterOutputStream(f) {
      @Override
      public void write(byte[] b, int off, int len) throws IOException {
        out.write(b, off, len);
      }

      @Override
      public void close() throws IOException {
        f.cut();
      }
    };
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
