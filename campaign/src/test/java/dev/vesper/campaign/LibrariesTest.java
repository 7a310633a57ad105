package dev.vesper.campaign;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fuzz.store.Entries;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** What the launcher fetches for a campaign is what Maven resolves, and nothing else. */
final class LibrariesTest {
  /** Jars of tests, and those that the command has anyway or nobody needs at run time. */
  private static final Pattern OTHERS =
      Pattern.compile(
          "(vesper|junit|assertj|byte-buddy|opentest4j|apiguardian|open-test|picocli|jspecify"
              + "|surefire|plexus|archunit|slf4j|jqwik).*");

  private static List<String[]> list() throws IOException {
    Path file = Path.of(System.getProperty("vesper.root", ".."), "campaign", "libraries.txt");
    List<String[]> all = new ArrayList<>();
    for (String line : Files.readAllLines(file)) {
      if (!line.startsWith("#")) {
        all.add(line.split(" ", -1));
      }
    }
    return all;
  }

  private static TreeMap<String, Path> jars() {
    TreeMap<String, Path> jars = new TreeMap<>();
    String path = System.getProperty("java.class.path");
    for (String p : path.split(Pattern.quote(File.pathSeparator), -1)) {
      String name = Path.of(p).getFileName() == null ? "" : Path.of(p).getFileName().toString();
      if (name.endsWith(".jar") && !OTHERS.matcher(name).matches()) {
        jars.put(name, Path.of(p));
      }
    }
    return jars;
  }

  @Test
  void theListIsWhatMavenResolves() throws IOException {
    TreeSet<String> listed = new TreeSet<>();
    TreeMap<String, Path> jars = jars();
    for (String[] l : list()) {
      String name = l[1] + "-" + l[2] + ".jar";
      listed.add(name);
      Path jar = jars.get(name);
      assertThat(jar).as(name).isNotNull();
      assertThat(Entries.name(Files.readAllBytes(jar))).as(name).isEqualTo(l[3]);
    }
    assertThat(listed).isEqualTo(jars.keySet());
  }
}
