package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A trace whose writer was stopped, as by a full disk or SIGKILL, is judged as far as it goes. */
final class CutTraceTest {
  @TempDir Path dir;

  private String err = "";
  private String whole = "";

  private int vesper(String... args) {
    CommandResult r = CommandResult.of(args);
    err = r.err();
    return r.status();
  }

  @BeforeEach
  void trace() throws Exception {
    String f = dir.resolve("t.jsonl").toString();
    vesper("run", "--profile", "openbsd", "--trace", f, "-serial", "none");
    whole = Files.readString(Path.of(f));
  }

  private String cut(int length) throws Exception {
    return Files.writeString(dir.resolve("cut.jsonl"), whole.substring(0, length)).toString();
  }

  @Test
  void theVerdictIsAboutWhatIsBefore() throws Exception {
    // The one finding of this profile is at the first exchange, which is near the beginning.
    assertThat(vesper("check", cut(whole.length() * 2 / 3))).isEqualTo(4);
    assertThat(err)
        .containsPattern("vesper: the trace .* is cut in the middle of line \\d+: the verdict is")
        .contains("version-not-negotiated");
    String page = dir.resolve("p.html").toString();
    assertThat(vesper("check", cut(2000), "--convert", page)).isZero();
    assertThat(err).contains(" is cut in the middle of line ").contains("check: 0 errors");
    assertThat(Files.readString(Path.of(page))).endsWith("</html>\n");
  }

  private static byte[] packed(byte[] text) throws Exception {
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    try (OutputStream out = new GZIPOutputStream(b)) {
      out.write(text);
    }
    return b.toByteArray();
  }

  private String cutPacked(byte[] all, int length) throws Exception {
    Path p = dir.resolve("cut.jsonl.gz");
    return Files.write(p, Arrays.copyOf(all, length)).toString();
  }

  @Test
  void aPackedOneIsJudgedAsFarAsItGoesToo() throws Exception {
    byte[] all = packed(whole.getBytes(StandardCharsets.UTF_8));
    assertThat(vesper("check", cutPacked(all, all.length * 2 / 3))).isEqualTo(4);
    assertThat(err).containsPattern(" is cut (in the middle of|behind) line \\d+");
    assertThat(vesper("check", "--strict", cutPacked(all, all.length * 2 / 3))).isEqualTo(2);
    assertThat(err.lines()).hasSize(1);
    // Eight bytes at the end are its sum and its length.
    for (int less : new int[] {1, 8}) {
      assertThat(vesper("check", cutPacked(all, all.length - less))).isEqualTo(4);
      assertThat(err).contains(" is cut behind its last record, where gzip has its sum");
      assertThat(vesper("check", "--strict", cutPacked(all, all.length - less))).isEqualTo(2);
    }
    assertThat(vesper("check", "--strict", cutPacked(all, all.length))).isEqualTo(4);
  }

  @Test
  void aPackedOneThatIsDamagedOrEmptyIsRefusedInALine() throws Exception {
    byte[] all = packed(whole.getBytes(StandardCharsets.UTF_8));
    for (int length : new int[] {2, 9, 11}) {
      assertThat(vesper("check", cutPacked(all, length))).isEqualTo(2);
      assertThat(err.lines()).as(err).hasSize(1);
    }
    all[all.length - 6] ^= 1;
    assertThat(vesper("check", cutPacked(all, all.length))).isEqualTo(2);
    assertThat(err.lines()).as(err).hasSize(1);
    all[all.length / 2] ^= 0x55;
    assertThat(vesper("check", cutPacked(all, all.length))).isEqualTo(2);
    assertThat(err.lines()).as(err).hasSize(1);
  }

  @Test
  void aCutMayBeInTheMiddleOfACharacter() throws Exception {
    int end = whole.indexOf("\"reason\":\"") + 10;
    byte[] text = (whole.substring(0, end) + "é").getBytes(StandardCharsets.UTF_8);
    Path p = Files.write(dir.resolve("cut.jsonl"), Arrays.copyOf(text, text.length - 1));
    assertThat(vesper("check", p.toString())).as(err).isEqualTo(4);
    assertThat(err).contains(" is cut in the middle of line ");
  }

  @Test
  void strictRefusesIt() throws Exception {
    assertThat(vesper("check", "--strict", cut(whole.length() * 2 / 3))).isEqualTo(2);
    assertThat(err.lines()).hasSize(1);
    assertThat(err).contains(" is cut in the middle of line ").contains("--strict");
    assertThat(vesper("check", "--strict", cut(whole.length()))).isEqualTo(4);
    assertThat(err).doesNotContain("cut");
  }
}
