package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/** What is installed runs without a JDK; builds this clone if it is not built. */
@EnabledIfSystemProperty(named = "long", matches = "true")
final class InstallTest {
  private static final Path PROJECT = Path.of(System.getProperty("vesper.root", ".."));

  @TempDir Path dir;

  private String run(boolean bare, Object... line) throws IOException, InterruptedException {
    ProcessBuilder b =
        new ProcessBuilder(Arrays.stream(line).map(Object::toString).toList())
            .directory(dir.toFile())
            .redirectErrorStream(true);
    if (bare) {
      b.environment().clear();
      b.environment().put("PATH", "/no/programs");
    }
    Process p = b.start();
    p.getOutputStream().close();
    String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(p.waitFor()).as(said).isZero();
    return said;
  }

  @Test
  @Timeout(value = 20, unit = TimeUnit.MINUTES)
  void anInstalledProgramAndPackagesNeedNothing() throws IOException, InterruptedException {
    Path out = dir.resolve("out");
    run(false, PROJECT.resolve("vesper"), "install", "--prefix", dir.resolve("a prefix"));
    run(false, PROJECT.resolve("vesper"), "build", "--dist", out);
    String passed = "self-test passed";
    assertThat(run(true, dir.resolve("a prefix/bin/vesper"), "run")).contains(passed);
    assertThat(dir.resolve("a prefix/share/vesper/vesper.py")).isNotEmptyFile();
    try (Stream<Path> s = Files.list(out)) {
      for (Path p : s.toList()) {
        String name = p.getFileName().toString();
        if (name.endsWith(".deb")) {
          run(false, "dpkg-deb", "-x", p, dir.resolve("root"));
          assertThat(run(true, dir.resolve("root/usr/bin/vesper"), "run")).contains(passed);
          assertThat(dir.resolve("root/usr/share/vesper/vesper.py")).isNotEmptyFile();
        } else if (name.endsWith(".tar.gz")) {
          run(false, "tar", "-xzf", p);
          Path launcher = dir.resolve(name.replace(".tar.gz", "")).resolve("bin/vesper");
          assertThat(run(true, launcher, "run")).contains(passed);
        } else if (name.endsWith(".jar")) {
          Path java = Path.of(System.getProperty("java.home"), "bin/java");
          Path options = out.resolve(name.replace(".jar", ".options"));
          assertThat(run(true, java, "@" + options, "-jar", p, "run")).contains(passed);
        }
      }
    }
  }
}
