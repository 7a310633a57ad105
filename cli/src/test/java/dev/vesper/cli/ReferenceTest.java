package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The manual page and what shells complete. */
final class ReferenceTest {
  @TempDir Path dir;

  @Test
  void everyOptionOfEveryCommandIsThere() throws IOException, InterruptedException {
    Reference.main(new String[] {dir.toString()});
    String manual = Files.readString(dir.resolve("vesper.1"));
    Main.commandLine()
        .getSubcommands()
        .forEach(
            (name, c) -> {
              assertThat(manual).contains(".SH VESPER " + name.toUpperCase(java.util.Locale.ROOT));
              c.getCommandSpec()
                  .optionsMap()
                  .keySet()
                  .forEach(o -> assertThat(manual).contains(o.replace("-", "\\-")));
            });
    // Nothing but the macros that are meant begins a line with a dot, and nothing is a colour.
    assertThat(manual.lines().filter(l -> l.startsWith(".") || l.startsWith("'")))
        .allMatch(l -> l.matches("\\.(TH|SH|TP|B|PP|br)( .*)?"));
    assertThat(manual).doesNotContain("@|", "\u001b", "%n");
    Path bash = dir.resolve("vesper.bash");
    assertThat(Files.readString(bash)).contains("--limit-insns", "boot");
    if (Files.isExecutable(Path.of("/bin/bash"))) {
      assertThat(new ProcessBuilder("/bin/bash", "-n", bash.toString()).start().waitFor()).isZero();
    }
  }
}
