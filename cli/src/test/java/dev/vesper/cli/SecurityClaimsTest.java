package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** SECURITY.md promises nothing whose test has gone. */
final class SecurityClaimsTest {
  private static final Path ROOT = Path.of(System.getProperty("vesper.root", "..")).normalize();
  private static final Pattern NAMED = Pattern.compile("`(\\w+Test)(?:#(\\w+))?`");
  private static final int LEAST = 30;

  private static Map<String, String> tests() throws IOException {
    Map<String, String> found = new HashMap<>();
    for (String module : List.of("ghcb", "x86", "machine", "junit", "cli")) {
      try (Stream<Path> files = Files.walk(ROOT.resolve(module).resolve("src/test/java"))) {
        for (Path p : files.filter(f -> f.toString().endsWith("Test.java")).toList()) {
          String name = p.getFileName().toString().replace(".java", "");
          found.merge(name, Files.readString(p), String::concat);
        }
      }
    }
    return found;
  }

  @Test
  void everyTestThatIsNamedIsThere() throws IOException {
    Map<String, String> tests = tests();
    List<String> missing = new ArrayList<>();
    int named = 0;
    Matcher m = NAMED.matcher(Files.readString(ROOT.resolve("SECURITY.md")));
    while (m.find()) {
      named++;
      String source = tests.get(m.group(1));
      if (source == null || m.group(2) != null && !source.contains("void " + m.group(2) + "(")) {
        missing.add(m.group());
      }
    }
    assertThat(missing).isEmpty();
    assertThat(named).isGreaterThanOrEqualTo(LEAST);
  }
}
