package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
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

  @Test
  void strictRefusesIt() throws Exception {
    assertThat(vesper("check", "--strict", cut(whole.length() * 2 / 3))).isEqualTo(2);
    assertThat(err.lines()).hasSize(1);
    assertThat(err).contains(" is cut in the middle of line ").contains("--strict");
    assertThat(vesper("check", "--strict", cut(whole.length()))).isEqualTo(4);
    assertThat(err).doesNotContain("cut");
  }
}
