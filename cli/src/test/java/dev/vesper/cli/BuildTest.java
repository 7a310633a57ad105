package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** launcher/Build.java, on a tree of which each module has one class. */
final class BuildTest {
  private static final Path PROJECT = Path.of(System.getProperty("vesper.root", ".."));
  private static final List<String> MODULES =
      List.of("ghcb", "x86", "machine", "guest", "fuzz", "cli", "bench");

  @TempDir Path dir;
  private Path root;
  private Path state;

  private Path source(String module, String file, String text) throws IOException {
    Path p = root.resolve(module).resolve("src/main/java").resolve(file);
    Files.createDirectories(p.getParent());
    return Files.writeString(p, text);
  }

  @BeforeEach
  void makeTree() throws IOException {
    root = Files.createDirectory(dir.resolve("a tree"));
    state = Files.createDirectory(root.resolve("state"));
    Files.copy(PROJECT.resolve("pom.xml"), root.resolve("pom.xml"));
    Files.createDirectory(root.resolve("launcher"));
    for (String f : List.of("Build.java", "jvm.options")) {
      Files.copy(PROJECT.resolve("launcher").resolve(f), root.resolve("launcher").resolve(f));
    }
    // Once, and not at each start.
    ToolProvider javac = ToolProvider.findFirst("javac").orElse(null);
    Assumptions.assumeTrue(javac != null, "tests run without a JDK");
    String source = root.resolve("launcher/Build.java").toString();
    assertThat(javac.run(System.out, System.err, "-d", dir.toString(), source)).isZero();
    for (String m : MODULES) {
      source(m, "module-info.java", "module dev.vesper." + m + " {}");
      source(m, "dev/vesper/" + m + "/A.java", "package dev.vesper." + m + "; class A {}");
    }
    String locore =
        "package dev.vesper.guest; public class Locore { public static void main(String[] a) throws"
            + " Exception { java.nio.file.Files.writeString(java.nio.file.Path.of(a[0],"
            + " \"locore.elf\"), \"elf\"); } }";
    source("guest", "dev/vesper/guest/Locore.java", locore);
    source(
        "cli",
        "dev/vesper/cli/Rehearsal.java",
        "package dev.vesper.cli; public class Rehearsal { public static void main(String[] a)"
            + " throws Exception { Thread.sleep(Long.getLong(\"pause\", 0)); } }");
    Path resources = Files.createDirectories(root.resolve("x86/src/main/resources/dev/vesper/x86"));
    Files.writeString(resources.resolve("opcodes.txt"), "table");
  }

  private Process start(String when, String... options) throws IOException {
    Path java = Path.of(System.getProperty("java.home"), "bin", "java");
    List<String> line = new ArrayList<>(List.of(java.toString(), "-XX:TieredStopAtLevel=1"));
    line.addAll(List.of("-cp", dir.toString(), "Build"));
    line.addAll(List.of(root.toString(), state.toString(), when));
    line.addAll(List.of(options));
    ProcessBuilder b = new ProcessBuilder(line).redirectErrorStream(true);
    b.environment().put("JAVA_HOME", System.getProperty("java.home"));
    return b.start();
  }

  private static String end(Process p, int status) throws IOException, InterruptedException {
    String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(p.waitFor()).as(said).isEqualTo(status);
    return said;
  }

  private List<String> record() throws IOException {
    return Files.readAllLines(state.resolve("built"));
  }

  private List<String> builds() throws IOException {
    try (Stream<Path> s = Files.list(state)) {
      return s.map(p -> p.getFileName().toString()).filter(n -> n.startsWith("build-")).toList();
    }
  }

  @Test
  void aBuildIsMadeOnceAndIsWholeOrNotThere() throws IOException, InterruptedException {
    Process first = start("stale", "-Dpause=3000");
    while (builds().isEmpty() && first.isAlive()) {
      Thread.sleep(20);
    }
    Process second = start("stale");
    assertThat(end(second, 0)).contains("waiting").doesNotContain("building");
    assertThat(end(first, 0)).contains("building");
    assertThat(record().subList(0, 2)).containsExactly(root.toString(), state.toString());
    Path lib = state.resolve(record().get(4)).resolve("lib");
    try (Stream<Path> s = Files.list(lib)) {
      assertThat(s.map(p -> p.getFileName().toString()))
          .hasSize(MODULES.size() + 1)
          .contains("vesper-x86.jar")
          .anyMatch(n -> n.startsWith("picocli"));
    }
    try (var jar = new java.util.jar.JarFile(lib.resolve("vesper-x86.jar").toFile())) {
      assertThat(jar.getEntry("dev/vesper/x86/opcodes.txt")).isNotNull();
      assertThat(jar.getEntry("module-info.class")).isNotNull();
    }
    try (var jar = new java.util.jar.JarFile(lib.resolve("vesper-guest.jar").toFile())) {
      assertThat(jar.getEntry("dev/vesper/guest/locore.elf")).isNotNull();
    }
    survives(record());
  }

  /** What fails or is interrupted leaves the old build. */
  private void survives(List<String> before) throws IOException, InterruptedException {
    Path a =
        source("x86", "dev/vesper/x86/A.java", "package dev.vesper.x86; class A { int x = y; }");
    assertThat(end(start("stale"), 2)).contains("A.java:1").contains("variable y");
    assertThat(record()).isEqualTo(before);
    assertThat(builds()).containsExactly(before.get(4));
    Files.writeString(a, "package dev.vesper.x86; class A {}");
    Process p = start("always", "-Dpause=60000");
    while (builds().size() < 2 && p.isAlive()) {
      Thread.sleep(20);
    }
    // As kill -9 does; Ctrl-C gives it time to tidy up besides.
    p.descendants().forEach(ProcessHandle::destroyForcibly);
    p.destroyForcibly();
    p.waitFor();
    assertThat(record()).isEqualTo(before);
    end(start("always"), 0);
    assertThat(builds()).hasSize(2).contains(before.get(4), record().get(4));
  }
}
