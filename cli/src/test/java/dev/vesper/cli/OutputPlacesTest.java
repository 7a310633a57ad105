package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Files that a run or a check makes have the rights and the places that the user's shell gives. */
@DisabledOnOs(OS.WINDOWS)
final class OutputPlacesTest {
  @TempDir Path dir;

  private static final List<String> RUN =
      List.of(
          "t.jsonl",
          "t.jsonl.gz",
          "t.txt",
          "t.html",
          "t.pcapng",
          "t.perfetto",
          "log",
          "debug",
          "items",
          "r.json",
          "r.sarif",
          "r.xml",
          "r.md",
          "r.txt",
          "base",
          "c.drcov",
          "s.json",
          "o.txt");

  private static final String LINE =
      " run -serial file:log -debugcon file:debug -d int -D items --check --report r.json,r.sarif,r.xml,r.md,r.txt"
          + " --write-baseline base --coverage c.drcov --json s.json -vga std --screenshot o.txt"
          + " --trace t.jsonl,t.jsonl.gz,t.txt,t.html,t.pcapng,t.perfetto";

  /** Runs a line with a umask, in a process of its own. */
  private int shell(String umask, String line) throws Exception {
    List<String> java = OwnJvm.command(List.of("--enable-native-access=ALL-UNNAMED"), Main.class);
    List<String> words =
        new ArrayList<>(List.of("sh", "-c", "umask " + umask + "; exec \"$@\"" + line, "sh"));
    words.addAll(java);
    return new ProcessBuilder(words)
        .directory(dir.toFile())
        .redirectOutput(dir.resolve("out").toFile())
        .redirectError(dir.resolve("err").toFile())
        .start()
        .waitFor();
  }

  private Map<String, String> rights(Path folder, List<String> names) throws Exception {
    Map<String, String> all = new TreeMap<>();
    for (String n : names) {
      all.put(n, PosixFilePermissions.toString(Files.getPosixFilePermissions(folder.resolve(n))));
    }
    return all;
  }

  private String err() throws Exception {
    return Files.readString(dir.resolve("err"));
  }

  @Test
  void theUmaskDecidesWhoMayReadWhatIsMade() throws Exception {
    assertThat(shell("027", LINE)).as(err()).isZero();
    assertThat(rights(dir, RUN))
        .as(err())
        .allSatisfy((n, r) -> assertThat(r).isEqualTo("rw-r-----"));
    assertThat(shell("002", " check t.jsonl --convert n.html --report n.md")).as(err()).isZero();
    assertThat(rights(dir, List.of("n.html", "n.md")))
        .allSatisfy((n, r) -> assertThat(r).isEqualTo("rw-rw-r--"));
  }

  /** Whether a link leads to a file or to none yet. */
  @Test
  void linksStayLinksAndFilesKeepTheirRights() throws Exception {
    Path kept = Files.createDirectory(dir.resolve("kept"));
    for (int i = 0; i < RUN.size(); i++) {
      Path target = kept.resolve(RUN.get(i));
      if (i % 2 == 0) {
        Files.writeString(target, "x".repeat(1 << 21));
        Files.setPosixFilePermissions(target, PosixFilePermissions.fromString("rw-r---w-"));
      }
      Files.createSymbolicLink(dir.resolve(RUN.get(i)), Path.of("kept", RUN.get(i)));
    }
    assertThat(shell("022", LINE)).as(err()).isZero();
    Map<String, String> rights = rights(kept, RUN);
    for (int i = 0; i < RUN.size(); i++) {
      String name = RUN.get(i);
      assertThat(dir.resolve(name)).isSymbolicLink();
      assertThat(rights.get(name)).as(name).isEqualTo(i % 2 == 0 ? "rw-r---w-" : "rw-r--r--");
      // What was there is gone, and nothing of it behind what is there now.
      assertThat(Files.size(kept.resolve(name))).as(name).isNotEqualTo(1 << 21);
      if (!name.equals("o.txt")) {
        assertThat(
                Files.readString(kept.resolve(name), java.nio.charset.StandardCharsets.ISO_8859_1))
            .as(name)
            .doesNotContain("xxxxxxxx");
      }
    }
  }
}
