package dev.vesper.fuzz;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** What a guest has written since an execution began, as far as it is kept. */
final class GuestConsole {
  private static final int MOST = 1 << 18;

  private byte[] text = new byte[4096];
  private int length;
  private int line;
  private Runnable onEnd = () -> {};

  /** Has somebody called when a line is written that no guest goes on after. */
  void onEnd(Runnable then) {
    onEnd = then;
  }

  /** An execution begins. */
  void clear() {
    length = 0;
    line = 0;
  }

  /** A byte is written. */
  void put(int b) {
    if (length == MOST) {
      return;
    }
    if (length == text.length) {
      text = Arrays.copyOf(text, length * 2);
    }
    text[length++] = (byte) b;
    if (b == '\n') {
      if (Signs.isEnd(new String(text, line, length - line, StandardCharsets.ISO_8859_1))) {
        onEnd.run();
      }
      line = length;
    }
  }

  /** {@return whether nothing was written} */
  boolean isEmpty() {
    return length == 0;
  }

  /** {@return what was written, a character for each byte} */
  String text() {
    return new String(text, 0, length, StandardCharsets.ISO_8859_1);
  }
}
