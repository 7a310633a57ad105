package dev.vesper.cli.monitor;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * Finds where JSON texts end in a stream of bytes, which need not have lines. What cannot be one
 * lasts until the end of its line.
 */
final class JsonFramer {
  /** The longest text. */
  static final int LONGEST = 1 << 20;

  private final ByteArrayOutputStream text = new ByteArrayOutputStream();
  private int depth;
  private boolean string;
  private boolean escaped;
  private boolean garbage;

  /** {@return a whole text that a byte ends, or null} */
  @Nullable String take(int b) throws JsonError {
    if (garbage) {
      garbage = b != '\n';
      return null;
    }
    if (depth == 0 && (b == ' ' || b == '\t' || b == '\r' || b == '\n')) {
      return null;
    }
    if (depth == 0 && b != '{' && b != '[') {
      garbage = b != '\n';
      throw new JsonError("JSON parse error, expecting '{'");
    }
    text.write(b);
    if (text.size() > LONGEST) {
      forget();
      garbage = b != '\n';
      throw new JsonError("JSON parse error, more than " + LONGEST + " bytes");
    }
    structure(b);
    return depth == 0 ? whole() : null;
  }

  private void structure(int b) {
    if (string) {
      boolean was = escaped;
      escaped = b == '\\' && !was;
      string = b != '"' || was;
      return;
    }
    switch (b) {
      case '"' -> string = true;
      case '{', '[' -> depth++;
      case '}', ']' -> depth--;
      default -> {
        // Says nothing of where it ends.
      }
    }
  }

  private void forget() {
    text.reset();
    depth = 0;
    string = false;
    escaped = false;
  }

  private String whole() throws JsonError {
    byte[] b = text.toByteArray();
    forget();
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(b)).toString();
    } catch (CharacterCodingException e) {
      throw new JsonError("JSON parse error, bytes that are no UTF-8");
    }
  }
}
