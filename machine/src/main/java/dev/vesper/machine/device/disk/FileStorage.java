package dev.vesper.machine.device.disk;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;

/** A file. */
public final class FileStorage implements Storage {
  private final FileChannel file;
  private final String name;

  /**
   * @param file open for what is done with it; it is closed with this
   */
  public FileStorage(FileChannel file) {
    this(file, "");
  }

  /**
   * @param file open for what is done with it; it is closed with this
   * @param name of it, for messages
   */
  public FileStorage(FileChannel file, String name) {
    this.file = file;
    this.name = name;
  }

  @Override
  public String name() {
    return name;
  }

  /** Offsets come out of images, which may be damaged. */
  private static void require(long at, int length) throws IOException {
    if (at < 0 || at > Long.MAX_VALUE - length) {
      throw new IOException("the image speaks of a place that no file has");
    }
  }

  @Override
  public long length() throws IOException {
    return file.size();
  }

  @Override
  public void read(long at, byte[] to, int offset, int length) throws IOException {
    require(at, length);
    ByteBuffer b = ByteBuffer.wrap(to, offset, length);
    while (b.hasRemaining()) {
      int n = file.read(b, at + b.position() - offset);
      if (n < 0) {
        java.util.Arrays.fill(to, b.position(), offset + length, (byte) 0);
        return;
      }
    }
  }

  @Override
  public void write(long at, byte[] from, int offset, int length) throws IOException {
    require(at, length);
    ByteBuffer b = ByteBuffer.wrap(from, offset, length);
    while (b.hasRemaining()) {
      file.write(b, at + b.position() - offset);
    }
  }

  @Override
  public void flush() throws IOException {
    file.force(false);
  }

  @Override
  public void close() throws IOException {
    file.close();
  }
}
