package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.spec.Outcome;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** What is said, and which status is given, when a command fails in a way that nobody foresaw. */
final class FailuresTest {
  private record Said(int status, String err) {}

  private static Said failed(Throwable e) {
    PrintStream old = System.err;
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
    try {
      return new Said(Main.failed(e), err.toString(StandardCharsets.UTF_8));
    } finally {
      System.setErr(old);
    }
  }

  @Test
  void aStackThatOverflowsIsADefectAndItsTraceIsShort() {
    StackOverflowError e = new StackOverflowError();
    StackTraceElement[] frames = new StackTraceElement[1024];
    Arrays.fill(frames, new StackTraceElement("Deep", "again", "Deep.java", 1));
    e.setStackTrace(frames);
    Said s = failed(e);
    assertThat(s.status).isEqualTo(Outcome.DEFECT);
    assertThat(s.err).contains("please report it: send").contains("StackOverflowError");
    assertThat(s.err.lines()).hasSizeLessThan(80);
  }

  @Test
  void memoryThatIsUsedUpHasAStatusOfItsOwnAndNoTrace() {
    Said s = failed(new OutOfMemoryError("Java heap space"));
    assertThat(s.status).isEqualTo(Outcome.EXHAUSTED);
    assertThat(s.err.lines()).hasSize(1);
    assertThat(s.err).contains("out of memory").contains("Java heap space").doesNotContain(" -m ");
  }

  @Test
  void aClassThatCannotBeLinkedIsADefect() {
    Said s = failed(new NoClassDefFoundError("dev/vesper/Missing"));
    assertThat(s.status).isEqualTo(Outcome.DEFECT);
    assertThat(s.err).contains("dev/vesper/Missing");
  }
}
