package dev.vesper.machine.device.disk;

import java.io.IOException;

/** Storage that counts what is read from it and written to it. */
final class CountedStorage implements Storage {
  /** What an access costs besides the bytes that it moves. */
  private static final long ACCESS_COST = 4096;

  private final Storage below;
  private long bytes;

  CountedStorage(Storage below) {
    this.below = below;
  }

  /** {@return what accesses have cost so far, in bytes} */
  long bytes() {
    return bytes;
  }

  /** {@return words for what is in it, for which reading is not counted} */
  String fingerprint() throws IOException {
    return Fingerprint.of(below.length(), (at, to, n) -> below.read(at, to, 0, n));
  }

  @Override
  public String name() {
    return below.name();
  }

  @Override
  public long length() throws IOException {
    return below.length();
  }

  @Override
  public void read(long at, byte[] to, int offset, int length) throws IOException {
    bytes += ACCESS_COST + length;
    below.read(at, to, offset, length);
  }

  @Override
  public void write(long at, byte[] from, int offset, int length) throws IOException {
    bytes += ACCESS_COST + length;
    below.write(at, from, offset, length);
  }

  @Override
  public void flush() throws IOException {
    below.flush();
  }

  @Override
  public void close() throws IOException {
    below.close();
  }
}
