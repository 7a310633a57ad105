package dev.vesper.machine.device.disk;

import java.io.Closeable;
import java.io.IOException;

/** Bytes at offsets, as a file has them. */
public interface Storage extends Closeable {
  /** {@return what it is called, for messages; empty if it has no name} */
  default String name() {
    return "";
  }

  /** {@return its length} */
  long length() throws IOException;

  /** Reads bytes; those behind the end are zero. */
  void read(long at, byte[] to, int offset, int length) throws IOException;

  /** Writes bytes, which may make it longer. */
  void write(long at, byte[] from, int offset, int length) throws IOException;

  /** Returns when everything written is stable. */
  void flush() throws IOException;

  @Override
  default void close() throws IOException {}
}
