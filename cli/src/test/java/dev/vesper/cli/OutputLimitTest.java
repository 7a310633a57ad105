package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.guest.FlatGuest;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a guest has written beyond the limit is left out, and the run says so. */
final class OutputLimitTest {
  private static final int MIB = 1 << 20;

  @TempDir Path dir;
  private String err = "";

  private int vesper(String... args) {
    CommandResult r = CommandResult.of(args);
    err = r.err();
    return r.status();
  }

  /** Writes a letter to a port 1,100,000 times, with exits that are traced. */
  private Path guest(int port) throws IOException {
    String code =
        """
            mov ebp, 1100000
            mov edx, %d
        L:  mov al, 0x78
            out dx, al
            dec ebp
            jne L
            mov edx, 0xf4
            mov al, 1
            out dx, al
        E:  jmp short E
        """
            .formatted(port);
    return Files.write(dir.resolve("guest"), FlatGuest.image(code));
  }

  @Test
  void aConsoleIsCut() throws IOException {
    Path log = dir.resolve("log");
    String where = "file:" + log;
    String image = guest(0x3F8).toString();
    assertThat(vesper("run", "--sev", "off", "--max-output", "1M", "-serial", where, image))
        .isEqualTo(3);
    assertThat(Files.size(log)).isEqualTo(MIB);
    assertThat(err)
        .contains(
            "vesper: console: "
                + (1_100_000 - MIB)
                + " bytes were left out, because there may be 1M (--max-output)");
  }

  @Test
  void whatGoesToStderrIsCut() throws IOException {
    String image = guest(0xE9).toString();
    assertThat(vesper("run", "--sev", "off", "--max-output", "1M", "-serial", "none", image))
        .isEqualTo(3);
    assertThat(err.chars().filter(c -> c == 'x').count()).isBetween((long) MIB, MIB + 20L);
    assertThat(err).contains("vesper: debug ports: ");
  }

  @Test
  void theLinesOfVAreCut() throws IOException {
    String image = guest(0x3F8).toString();
    int status =
        vesper("run", "-v", "--sev", "off", "--max-output", "1M", "-serial", "none", image);
    assertThat(status).isEqualTo(3);
    assertThat(err.length()).isBetween(MIB, MIB + (1 << 16));
    assertThat(
            err.lines().filter(l -> l.startsWith("[") && l.contains("] cpu0 ")).toList().getLast())
        .contains(" end ");
    assertThat(err).contains("vesper: -v: ").contains("events before the last one");
  }

  @Test
  void nothingIsSaidOfWhatFits() throws IOException {
    String image = guest(0x3F8).toString();
    vesper("run", "--sev", "off", "--max-output", "2M", "-serial", "none", image);
    assertThat(err).doesNotContain("left out");
  }

  @ParameterizedTest
  @CsvSource({"t.jsonl, 1M, 1048576", "t.jsonl.gz, 64K, 65536"})
  void aTraceKeepsItsEnd(String name, String size, long bytes) throws IOException {
    Path trace = dir.resolve(name);
    String image = guest(0x3F8).toString();
    String[] args = {
      "run",
      "--sev",
      "off",
      "--max-output",
      size,
      "-serial",
      "none",
      "--trace",
      trace.toString(),
      image
    };
    assertThat(vesper(args)).isEqualTo(3);
    assertThat(Files.size(trace)).isBetween(bytes, bytes + (1L << 18));
    assertThat(err)
        .contains("vesper: trace " + trace + ": ")
        .contains("events before the last one");
    // With its end it is whole.
    assertThat(vesper("check", "--strict", trace.toString())).as(err).isZero();
  }

  @Test
  void aSizeIsASize() {
    assertThatThrownBy(() -> new OutputLimit("much"))
        .isInstanceOf(UserError.class)
        .hasMessage("--max-output takes a size such as 512M or 2G, not 'much'");
  }

  @Test
  void aWriteThatCrossesTheLimitIsCutThere() throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    OutputLimit limit = new OutputLimit("1M");
    OutputStream o = limit.limited("it", out);
    o.write(new byte[MIB - 3]);
    o.write(new byte[] {1, 2, 3, 4, 5});
    o.write(6);
    assertThat(out.size()).isEqualTo(MIB);
    assertThat(out.toByteArray()).endsWith(1, 2, 3);
    List<String> said = new ArrayList<>();
    limit.tell(said::add);
    assertThat(said).singleElement().asString().contains("it: 3 bytes");
  }
}
