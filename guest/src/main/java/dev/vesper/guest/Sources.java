package dev.vesper.guest;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/** The assembly sources beside this class. */
final class Sources {
  private Sources() {}

  /** {@return the text of a source} */
  static String read(String name) {
    try (InputStream in = Sources.class.getResourceAsStream(name + ".s")) {
      if (in == null) {
        throw new AssertionError(name + ".s is missing from the module");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
