package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.spec.Outcome;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Names that no file can have, and folders for files of arguments, are the user's mistake, wherever
 * they are said.
 */
final class FileNamesTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "session|a\0b",
        "run|--secret|a\0b",
        "run|--secret|00000000-0000-0000-0000-000000000001=a\0b",
        "run|--secret|a\0b,c",
        "run|--sev|off|-M|pc|-vga|std,romfile=a\0b",
        "run|-serial|file:a\0b",
        "run|-debugcon|file:a\0b",
        "run|-drive|file=a\0b",
        "run|--share|path=a\0b,tag=t",
        "run|a\0b",
        "check|a\0b",
        "measure|a\0b",
        "measure|@/",
        "attest|report|a\0b",
        "attest|verify|a\0b",
        "attest|certs|-o|a\0b",
        "nothing|@/"
      })
  void aNameThatNoFileCanHaveIsRefused(String line) {
    assertThat(Main.execute(line.split("\\|"))).isEqualTo(Outcome.USAGE);
  }
}
