package dev.vesper.cli;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/** Says how far a file has been read whose reading takes long. */
final class Progress extends FilterInputStream {
  private static final long FIRST = TimeUnit.SECONDS.toNanos(1);
  private static final long EACH = TimeUnit.MILLISECONDS.toNanos(250);
  private static final int MIB = 1 << 20;

  private final String what;
  private final long size;
  private final Consumer<String> show;
  private final LongSupplier clock;
  private long done;
  private long next;
  private boolean shown;

  /**
   * @param what is read, for people
   * @param size of the file in bytes; of a pipe 0
   * @param show replaces the line that is shown, with nothing at the end
   * @param clock nanoseconds
   */
  Progress(InputStream in, String what, long size, Consumer<String> show, LongSupplier clock) {
    super(in);
    this.what = what;
    this.size = size;
    this.show = show;
    this.clock = clock;
    next = clock.getAsLong() + FIRST;
  }

  private int read(int bytes) {
    if (bytes < 0) {
      end();
      return bytes;
    }
    done += bytes;
    long now = clock.getAsLong();
    if (now - next > 0) {
      next = now + EACH;
      shown = true;
      show.accept(
          what
              + ": "
              + done / MIB
              + " MiB"
              + (size > 0 ? ", " + Math.min(100, done * 100 / size) + " %" : ""));
    }
    return bytes;
  }

  private void end() {
    if (shown) {
      shown = false;
      show.accept("");
    }
  }

  @Override
  public int read() throws IOException {
    int b = super.read();
    read(b < 0 ? b : 1);
    return b;
  }

  @Override
  public int read(byte[] b, int off, int len) throws IOException {
    return read(super.read(b, off, len));
  }

  @Override
  public void close() throws IOException {
    end();
    super.close();
  }
}
