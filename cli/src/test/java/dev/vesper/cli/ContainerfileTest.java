package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The recipe for a container, which tests have no engine to follow, as far as it can be read. */
final class ContainerfileTest {
  private static final Path ROOT = MarkdownPage.ROOT;
  private static final Pattern INSTALL = Pattern.compile("(\\S+) install --prefix (\\S+)");

  private static List<String> instructions() throws IOException {
    String text = Files.readString(ROOT.resolve("Containerfile"));
    return text.replace("\\\n", " ")
        .lines()
        .filter(l -> !l.startsWith("#") && !l.isBlank())
        .toList();
  }

  private static boolean ignored(Path file) throws IOException {
    for (String line : Files.readAllLines(ROOT.resolve(".containerignore"))) {
      PathMatcher m = FileSystems.getDefault().getPathMatcher("glob:" + line);
      for (Path p = file; p != null; p = p.getParent()) {
        if (m.matches(p)) {
          return true;
        }
      }
    }
    return false;
  }

  /** What is copied is there: from the clone, or from where an earlier stage has installed it. */
  @Test
  void whatIsCopiedIsThere() throws IOException {
    Set<String> stages = new HashSet<>();
    List<String> installed = new ArrayList<>();
    int copies = 0;
    String source = "";
    for (String line : instructions()) {
      String[] w = line.split(" +");
      switch (w[0]) {
        case "FROM" -> stages.add(w.length == 4 && w[2].equals("AS") ? w[3] : "");
        case "COPY" -> {
          copies++;
          if (w[1].startsWith("--from=")) {
            assertThat(stages).contains(w[1].substring("--from=".length()));
            assertThat(installed).contains(w[2]);
          } else {
            assertThat(ROOT.resolve(w[1])).exists();
            source = w[2];
          }
        }
        case "RUN" -> {
          Matcher m = INSTALL.matcher(line);
          if (m.find()) {
            assertThat(m.group(1)).isEqualTo(source + "/vesper");
            assertThat(Files.readString(ROOT.resolve("vesper"))).contains("\n  install)");
            installed.add(m.group(2));
          } else {
            // What is linked to is a file of the installed program.
            for (String word : w) {
              if (word.startsWith("/opt/")) {
                assertThat(word).isEqualTo(installed.getFirst() + "/bin/vesper");
              }
            }
          }
        }
        case "WORKDIR" -> assertThat(w[1]).isEqualTo("/work");
        case "ENTRYPOINT" -> assertThat(line).isEqualTo("ENTRYPOINT [\"vesper\"]");
        default -> throw new AssertionError(line);
      }
    }
    assertThat(copies).isEqualTo(2);
    assertThat(Files.readString(ROOT.resolve("launcher/install.sh")))
        .contains("\"$home/installed.sh\" \"$1/bin/vesper\"");
  }

  /** Nothing that a build needs is held back from it. */
  @Test
  void theBuildHasItsSources() throws IOException {
    for (String name :
        List.of("vesper", "pom.xml", "launcher/Build.java", "cli/src/main/java/module-info.java")) {
      assertThat(ROOT.resolve(name)).exists();
      assertThat(ignored(Path.of(name))).as(name).isFalse();
    }
    assertThat(ignored(Path.of("cli/target/classes"))).isTrue();
    assertThat(ROOT.resolve(".dockerignore"))
        .hasSameTextualContentAs(ROOT.resolve(".containerignore"));
  }

  /** The lines that are said to start it are taken by the command. */
  @Test
  void commandsInItAreOurs() throws IOException {
    Matcher m =
        Pattern.compile("(?m)^#   docker run .* vesper(?: (\\w+).*)?$")
            .matcher(Files.readString(ROOT.resolve("Containerfile")).replaceAll(" {5,}.*", ""));
    int lines = 0;
    while (m.find()) {
      lines++;
      if (m.group(1) != null) {
        assertThat(Main.commandLine().getSubcommands()).containsKey(m.group(1));
      }
    }
    assertThat(lines).isEqualTo(2);
  }
}
