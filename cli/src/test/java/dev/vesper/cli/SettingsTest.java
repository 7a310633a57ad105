package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Files of settings. */
final class SettingsTest {
  @TempDir Path dir;

  private List<String> expanded(String text, String... line) throws IOException {
    Path f = Files.writeString(dir.resolve("v.toml"), text);
    List<String> words = new ArrayList<>(List.of(line));
    words.addAll(List.of("--config", f.toString()));
    return Settings.expanded("run", new RunCommand(null).options(), words);
  }

  @Test
  void keysAreOptionsAndTheLineCountsMore() throws IOException {
    String text =
        """
        memory = "1G"  # as -m
        'limit-insns' = 1_000
        v = true
        check = false
        append = "a=\\"b\\" # c"

        [run]
        trace = [ "a.jsonl", # both
          'b.txt' ]
        [check]
        strict = true
        """;
    assertThat(expanded(text))
        .containsExactly(
            "--memory=1G",
            "--limit-insns=1000",
            "-v",
            "--append=a=\"b\" # c",
            "--trace=a.jsonl",
            "--trace=b.txt");
    assertThat(expanded(text, "-m", "2G", "--trace", "c.txt", "--limit-insns=5"))
        .containsExactly(
            "-v",
            "--append=a=\"b\" # c",
            "--trace=a.jsonl",
            "--trace=b.txt",
            "-m",
            "2G",
            "--trace",
            "c.txt",
            "--limit-insns=5");
  }

  @ParameterizedTest
  @CsvSource(
      quoteCharacter = '`',
      value = {
        "memroy = 1, 1, no option 'memroy'",
        "`\n\nmemory = big`, 3, quotes",
        "memory = \"1G, 1, not closed",
        "memory \"1G\", 1, '=' is missing",
        "`memory = [\"1G\", \"2G\"]`, 1, one value",
        "`trace = [\"a\" \"b\"]`, 1, `',' is missing`",
        "memory = \"1G\" v = true, 1, one key",
        "memory = \"\\q\", 1, backslash",
        "`trace = [\"a\",`, 1, a value is missing",
        "config = \"a\", 1, no option 'config'"
      })
  void mistakesHaveTheirLine(String text, int line, String words) {
    assertThatThrownBy(() -> expanded(text))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("line " + line + ": ")
        .hasMessageContaining(words);
  }

  @Test
  void aRunTakesThem() throws IOException {
    Path f = Files.writeString(dir.resolve("v.toml"), "limit-insns = 1000\nserial = \"none\"\n");
    assertThat(CommandResult.of("run", "--config", f.toString()).status()).isEqualTo(124);
    Path args = Files.writeString(dir.resolve("args"), "--config " + f);
    CommandResult r = CommandResult.of("run", "@" + args);
    assertThat(r.status()).isEqualTo(2);
    assertThat(r.err()).contains("not in a file of arguments");
    assertThat(r.err().lines().count()).isEqualTo(1);
  }
}
