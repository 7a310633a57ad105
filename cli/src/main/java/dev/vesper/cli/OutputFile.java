package dev.vesper.cli;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/** A file that is open for writing, or a device, a terminal or a pipe. */
abstract sealed class OutputFile extends OutputStream {
  private final Path path;

  private OutputFile(Path path) {
    this.path = path;
  }

  /**
   * {@return the file of that name, which is made if it is not there; its contents stay}
   *
   * @throws IOException if it cannot be written, or is a pipe that nobody reads
   */
  static OutputFile open(Path p) throws IOException {
    boolean there = Files.exists(p);
    if (there && !Files.isRegularFile(p) && !Files.isDirectory(p)) {
      return new Special(p);
    }
    return new Regular(p, there);
  }

  /** {@return its name} */
  Path path() {
    return path;
  }

  /** {@return the file if it was made for this and nothing has been written to it, or null} */
  abstract @Nullable Path unused();

  /** Makes it empty, if it can be. */
  abstract void empty() throws IOException;

  /** {@return the file, to be written in any order, or null if it has no places} */
  abstract @Nullable SeekableByteChannel channel();

  /** Writes these contents in place of what it has. */
  abstract void replace(byte[] bytes) throws IOException;

  /**
   * From that {@link System#nanoTime} on nobody is waited for who does not take what is written.
   */
  abstract void deadline(long nanoTime);

  /** Writes some bytes behind what has been written. */
  abstract void put(byte[] b, int off, int len) throws IOException;

  /**
   * Writes some bytes.
   *
   * @throws OutputError with the file's name if it does not take them: whoever writes is far away
   */
  @Override
  public final void write(byte[] b, int off, int len) {
    try {
      put(b, off, len);
    } catch (IOException e) {
      throw new OutputError(path.toString(), e);
    }
  }

  /** Has everything taken, and lets go of it. */
  abstract void release() throws IOException;

  /**
   * Closes it.
   *
   * @throws OutputError if what was written before is not taken
   */
  @Override
  public final void close() {
    try {
      release();
    } catch (IOException e) {
      throw new OutputError(path.toString(), e);
    }
  }

  @Override
  public final void write(int b) {
    write(new byte[] {(byte) b}, 0, 1);
  }

  private static final class Regular extends OutputFile {
    private final FileChannel channel;

    /** The file if it was made and nothing has been written to it, or null. */
    private @Nullable Path made;

    private Regular(Path p, boolean there) throws IOException {
      super(p);
      channel = FileChannel.open(p, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      made = there ? null : p.toRealPath();
    }

    @Override
    @Nullable Path unused() {
      return made;
    }

    @Override
    void empty() throws IOException {
      made = null;
      channel.truncate(0);
    }

    @Override
    void put(byte[] b, int off, int len) throws IOException {
      made = null;
      ByteBuffer w = ByteBuffer.wrap(b, off, len);
      while (w.hasRemaining()) {
        channel.write(w);
      }
    }

    @Override
    SeekableByteChannel channel() {
      made = null;
      return channel;
    }

    @Override
    void replace(byte[] bytes) throws IOException {
      // Over what is there and then cut: at no time is there nothing.
      channel.position(0);
      write(bytes, 0, bytes.length);
      channel.truncate(channel.position());
    }

    @Override
    void deadline(long nanoTime) {
      // A file takes what is written.
    }

    @Override
    void release() throws IOException {
      channel.close();
    }
  }

  private static final class Special extends OutputFile {
    private final PatientStream stream;

    private Special(Path p) throws IOException {
      super(p);
      stream = new PatientStream(p);
    }

    @Override
    @Nullable Path unused() {
      return null;
    }

    @Override
    void empty() {
      // It has no contents.
    }

    @Override
    void put(byte[] b, int off, int len) throws IOException {
      stream.write(b, off, len);
    }

    @Override
    @Nullable SeekableByteChannel channel() {
      return null;
    }

    @Override
    void replace(byte[] bytes) {
      write(bytes, 0, bytes.length);
    }

    @Override
    void deadline(long nanoTime) {
      stream.deadline(nanoTime);
    }

    @Override
    void release() throws IOException {
      stream.close();
    }
  }
}
