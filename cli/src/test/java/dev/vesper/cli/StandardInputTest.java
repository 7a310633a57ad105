package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.cli.monitor.Control;
import dev.vesper.cli.monitor.WrittenFiles;
import dev.vesper.machine.spec.ConsoleInput;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/** What is piped in is kept until the guest takes it, however much it is. */
final class StandardInputTest {
  private static final int MUCH = 100_000;

  @Test
  void aPipeIsReadInOrderAndToItsEnd() throws Exception {
    InputStream before = System.in;
    try (PipedOutputStream out = new PipedOutputStream();
        PipedInputStream in = new PipedInputStream(out)) {
      System.setIn(in);
      ConsoleInput s = StandardInput.read(null);
      assertThat(s.closed()).isFalse();
      assertThat(s.poll()).isEqualTo(-1);
      Thread typist =
          Thread.ofPlatform()
              .start(
                  () -> {
                    try {
                      for (int i = 0; i < MUCH; i++) {
                        out.write(i % 251);
                      }
                      out.close();
                    } catch (IOException e) {
                      throw new AssertionError(e);
                    }
                  });
      int n = 0;
      while (!s.closed()) {
        int b = s.poll();
        if (b < 0) {
          s.await(Long.MAX_VALUE);
          continue;
        }
        assertThat(b).isEqualTo(n % 251);
        n++;
      }
      assertThat(n).isEqualTo(MUCH);
      typist.join();
    } finally {
      System.setIn(before);
    }
  }

  @Test
  void aBreakIsNoByte() throws Exception {
    InputStream before = System.in;
    try (InputStream in =
        new ByteArrayInputStream("\u0001b\u00ff".getBytes(StandardCharsets.ISO_8859_1))) {
      System.setIn(in);
      Control nobody = new Control(Control.Facts.NONE, new WrittenFiles(null), o -> {});
      ConsoleInput s =
          StandardInput.read(new EscapeKey(new ConsoleUser(false, null, new Ending(), nobody)));
      while (s.poll() != ConsoleInput.BREAK) {
        s.await(Long.MAX_VALUE);
      }
      int b = s.poll();
      while (b < 0) {
        s.await(Long.MAX_VALUE);
        b = s.poll();
      }
      assertThat(b).isEqualTo(0xFF);
    } finally {
      System.setIn(before);
    }
  }
}
