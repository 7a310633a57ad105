package dev.vesper.machine.device.disk;

import java.io.Closeable;
import java.io.IOException;

/** Sectors of 512 bytes behind a disk controller. */
public interface Disk extends Closeable {
  /** Bytes of a sector. */
  int SECTOR = 512;

  /** {@return sectors of 512 bytes} */
  long sectors();

  /** {@return whether writes are refused} */
  boolean readOnly();

  /** Reads whole sectors that exist. */
  void read(long sector, byte[] to, int bytes) throws IOException;

  /** Writes whole sectors that exist. */
  void write(long sector, byte[] from, int bytes) throws IOException;

  /** Returns when everything written is stable. */
  void flush() throws IOException;

  /**
   * {@return how much it has done so far for reads and writes, in bytes} A disk whose sectors do
   * not lie ready does more than it is asked for.
   */
  default long work() {
    return 0;
  }

  /** {@return the name of its image, for messages; empty if it has none} */
  default String name() {
    return "";
  }

  /**
   * {@return words that are others when its contents are others} For a disk that nobody writes to:
   * they are found once. Reading for them is no {@link #work}.
   *
   * @throws IOException if it cannot be read
   */
  default String fingerprint() throws IOException {
    return Fingerprint.of(sectors() * SECTOR, (at, to, n) -> read(at / SECTOR, to, n));
  }

  @Override
  default void close() throws IOException {}
}
