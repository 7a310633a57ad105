package dev.vesper.cli;

import dev.vesper.machine.spec.ConsoleInput;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Standard input as console input. A regular file is read at once, so that a run with it can be
 * repeated; anything else is read by a thread as it comes.
 */
final class StandardInput {
  private StandardInput() {}

  /**
   * Begins to read.
   *
   * @param keys takes what is typed before the guest does; null if nobody types
   * @param behind what the guest hears when the input has ended
   */
  static ConsoleInput read(@Nullable EscapeKey keys, byte... behind) {
    InputStream in = System.in;
    try {
      if (Files.isRegularFile(Path.of("/dev/stdin"))) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        in.transferTo(all);
        all.writeBytes(behind);
        return new InputQueue(all.toByteArray());
      }
    } catch (IOException e) {
      return ConsoleInput.NONE;
    }
    InputQueue q = new InputQueue();
    Thread t = new Thread(() -> pump(in, keys, behind, q), "console-input");
    t.setDaemon(true);
    t.start();
    return q;
  }

  private static void pump(InputStream in, @Nullable EscapeKey keys, byte[] behind, InputQueue q) {
    try {
      for (int b = in.read(); b >= 0; b = in.read()) {
        if (keys == null) {
          q.put(b, true);
          continue;
        }
        int k = keys.typed(b);
        if (k != EscapeKey.NOTHING) {
          // A guest that takes nothing must not keep the next command from being read.
          q.put(k, false);
        }
      }
      for (byte b : behind) {
        q.put(b & 0xFF, true);
      }
    } catch (IOException e) {
      // Input that breaks off is input that ends.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    q.end();
  }
}
