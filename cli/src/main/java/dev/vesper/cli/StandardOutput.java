package dev.vesper.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;

/**
 * A stream of the process, which outlives a run: each byte goes out as it comes, for who looks on.
 */
final class StandardOutput extends OutputStream {
  private final FileOutputStream out;
  private final String name;

  /** It is said once; what is buffered in front of it will come again. */
  private boolean failed;

  /**
   * @param name for people
   */
  StandardOutput(FileDescriptor d, String name) {
    out = new FileOutputStream(d);
    this.name = name;
  }

  @Override
  public void write(int b) {
    write(new byte[] {(byte) b}, 0, 1);
  }

  @Override
  public void write(byte[] b, int off, int len) {
    if (failed) {
      return;
    }
    try {
      out.write(b, off, len);
    } catch (IOException e) {
      failed = true;
      throw new OutputError(name, e);
    }
  }

  @Override
  public void close() {
    // The process has it, and others write to it too.
  }
}
