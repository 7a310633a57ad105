package dev.vesper.machine.device;

import dev.vesper.machine.device.disk.Storage;
import java.io.IOException;
import java.util.Arrays;

/** A file in memory that says how long it would be, and forgets what is written far behind. */
public final class MemoryStorage implements Storage {
  private final long most;
  private byte[] bytes;
  private long length;

  /**
   * @param bytes what it has at first; they stay as they are
   * @param most bytes that are kept
   */
  public MemoryStorage(byte[] bytes, long most) {
    this.bytes = bytes.clone();
    this.most = most;
    length = bytes.length;
  }

  /** {@return what is kept, as it is now} */
  byte[] bytes() {
    return bytes;
  }

  @Override
  public long length() {
    return length;
  }

  private static void require(long at) throws IOException {
    if (at < 0) {
      throw new IOException("no file has such a place");
    }
  }

  @Override
  public void read(long at, byte[] to, int offset, int n) throws IOException {
    require(at);
    Arrays.fill(to, offset, offset + n, (byte) 0);
    if (at < bytes.length) {
      System.arraycopy(bytes, (int) at, to, offset, (int) Math.min(n, bytes.length - at));
    }
  }

  @Override
  public void write(long at, byte[] from, int offset, int n) throws IOException {
    require(at);
    length = Math.max(length, at + n);
    if (at + n <= most) {
      bytes = at + n > bytes.length ? Arrays.copyOf(bytes, (int) at + n) : bytes;
      System.arraycopy(from, offset, bytes, (int) at, n);
    }
  }

  @Override
  public void flush() {
    // It is all there.
  }
}
