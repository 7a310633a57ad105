package dev.vesper.cli.monitor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** What becomes of a file that a client names and that cannot be written. */
final class WrittenFilesTest {
  @TempDir Path dir;

  @Test
  void whatIsCutOffIsNotLeftBehind() {
    WrittenFiles files = new WrittenFiles(dir);
    assertThatThrownBy(
            () ->
                files.write(
                    "part",
                    out -> {
                      out.write(1);
                      throw new IOException("no room");
                    }))
        .isInstanceOf(Refusal.class);
    assertThat(dir.resolve("part")).doesNotExist();
  }

  /** A program that is running can be opened by nobody to write to, root included. */
  @Test
  @EnabledOnOs(OS.LINUX)
  void whatCannotBeOpenedStaysWhereItIs() throws Exception {
    Path program = Files.copy(Path.of("/bin/sleep"), dir.resolve("program"));
    Process running = new ProcessBuilder(program.toString(), "100").start();
    try {
      WrittenFiles files = new WrittenFiles(dir);
      assertThatThrownBy(() -> files.write("program", out -> out.write(1)))
          .isInstanceOf(Refusal.class)
          .hasMessageContaining("Could not open 'program'");
      assertThat(program).hasSameBinaryContentAs(Path.of("/bin/sleep"));
    } finally {
      running.destroyForcibly().waitFor();
    }
  }
}
