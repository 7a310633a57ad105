package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.Tools;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The tutorial, as a reader follows it: its files are assembled and run, and print what it shows.
 */
final class TutorialTest {
  private static final Path FILES = MarkdownPage.ROOT.resolve("docs/tutorial");

  @TempDir Path dir;

  @BeforeAll
  static void needBinutils() {
    Tools.need("as", "binutils");
    Tools.need("ld", "binutils");
  }

  private static List<MarkdownPage.Block> blocks(String info) throws IOException {
    return MarkdownPage.of(FILES.resolveSibling("tutorial.md")).blocks().stream()
        .filter(b -> b.info().equals(info))
        .toList();
  }

  @Test
  void itShowsTheFilesAsTheyAre() throws IOException {
    List<String> shown = new ArrayList<>();
    for (MarkdownPage.Block b : blocks("asm")) {
      String name = b.text().lines().findFirst().orElseThrow().substring(2);
      shown.add(name);
      assertThat(b.text()).isEqualTo("# " + name + "\n" + Files.readString(FILES.resolve(name)));
    }
    try (Stream<Path> files = Files.list(FILES)) {
      assertThat(shown)
          .containsExactlyInAnyOrderElementsOf(files.map(p -> p.getFileName().toString()).toList());
    }
  }

  /** What a command has printed, both streams as they came, and its status. */
  private record Said(int status, String text) {}

  private Said run(String line) throws IOException, InterruptedException {
    List<String> words = List.of(line.split(" "));
    if (words.getFirst().equals("vesper")) {
      words =
          OwnJvm.command(
              List.of("--enable-native-access=ALL-UNNAMED", "-XX:TieredStopAtLevel=1"),
              Main.class,
              words.subList(1, words.size()).toArray(String[]::new));
    }
    Path out = dir.resolve("said");
    Process p =
        new ProcessBuilder(words)
            .directory(dir.toFile())
            .redirectInput(new File("/dev/null"))
            .redirectErrorStream(true)
            .redirectOutput(out.toFile())
            .start();
    if (!p.waitFor(120, TimeUnit.SECONDS)) {
      p.destroyForcibly();
      throw new AssertionError(line + " does not end");
    }
    return new Said(p.exitValue(), Files.readString(out));
  }

  /** {@return what fits lines of the page, in which three dots stand for anything} */
  private static Pattern fitting(List<String> lines) {
    return Pattern.compile(
        lines.stream()
            .map(
                l ->
                    l.equals("...")
                        ? "(?:.*\n)*?"
                        : Stream.of(l.split("\\.\\.\\.", -1))
                                .map(Pattern::quote)
                                .collect(Collectors.joining(".*"))
                            + "\n")
            .collect(Collectors.joining()));
  }

  @Test
  void eachStepPrintsWhatIsShown() throws IOException, InterruptedException {
    try (Stream<Path> files = Files.list(FILES)) {
      for (Path f : files.toList()) {
        Files.copy(f, dir.resolve(f.getFileName()));
      }
    }
    int status = 0;
    int runs = 0;
    for (MarkdownPage.Block b : blocks("console")) {
      List<String> lines = b.text().lines().toList();
      for (int i = 0; i < lines.size(); ) {
        String command = lines.get(i).substring(2);
        List<String> shown =
            lines.subList(i + 1, lines.size()).stream()
                .takeWhile(l -> !l.startsWith("$ "))
                .toList();
        i += 1 + shown.size();
        if (command.equals("echo $?")) {
          assertThat(shown).as("line " + b.line()).containsExactly(String.valueOf(status));
          continue;
        }
        Said said = run(command);
        status = said.status;
        runs += command.startsWith("vesper") ? 1 : 0;
        assertThat(said.text).as(command).matches(fitting(shown));
        if (command.contains("--check")) {
          assertThat(said.text).as(command).contains("check: 0 errors, 0 warnings, 0 notes");
        }
      }
    }
    assertThat(runs).isGreaterThanOrEqualTo(8);
  }
}
