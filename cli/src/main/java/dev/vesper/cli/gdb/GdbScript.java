package dev.vesper.cli.gdb;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/** gdb's commands for guests, which gdb reads as a file of Python. */
public final class GdbScript {
  private GdbScript() {}

  /** {@return the file} */
  public static String text() {
    try (InputStream in = GdbScript.class.getResourceAsStream("vesper.py")) {
      if (in == null) {
        throw new IllegalStateException("the program has been built without vesper.py");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
