package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Whoever reads {@code (spec: launch 3.2)} in the code finds that section under docs/spec. */
class CitationsTest {
  private static final Path ROOT = Path.of(System.getProperty("vesper.root", ".."));
  private static final Pattern CITATION = Pattern.compile("\\(spec:\\s+([^)]*)\\)");
  private static final Pattern SECTION = Pattern.compile("\\b\\d+(\\.\\d+)*\\b");

  @Test
  void everyCitationNamesAFileAndSectionsThatExist() throws IOException {
    List<String> wrong = new ArrayList<>();
    int seen = 0;
    for (Path source : sources()) {
      String text = Files.readString(source).replaceAll("\\s*\\n\\s*(\\*|//)?\\s*", " ");
      for (Matcher m = CITATION.matcher(text); m.find(); seen++) {
        String name = m.group(1).split("[ ,]", 2)[0];
        Path file = ROOT.resolve("docs/spec").resolve(name + ".md");
        if (!Files.exists(file)) {
          wrong.add(source.getFileName() + ": " + m.group() + " names no file");
          continue;
        }
        String spec = Files.readString(file);
        for (Matcher s = SECTION.matcher(m.group(1).substring(name.length())); s.find(); ) {
          if (!Pattern.compile("(?m)^#+ " + Pattern.quote(s.group()) + "[. ]")
              .matcher(spec)
              .find()) {
            wrong.add(source.getFileName() + ": " + m.group() + " names no section");
          }
        }
      }
    }
    assertThat(wrong).isEmpty();
    assertThat(seen).isGreaterThan(20);
  }

  private static List<Path> sources() throws IOException {
    List<Path> all = new ArrayList<>();
    for (String module :
        List.of("ghcb", "x86", "machine", "guest", "junit", "fuzz", "cli", "bench")) {
      try (Stream<Path> files = Files.walk(ROOT.resolve(module).resolve("src/main"))) {
        files.filter(f -> f.toString().endsWith(".java")).forEach(all::add);
      }
    }
    return all;
  }
}
