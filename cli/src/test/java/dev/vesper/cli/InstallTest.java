package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
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

  /** A member of a campaign of the reference guest, from a program that brings everything. */
  private ProcessBuilder member(String name, String... more) {
    List<String> line = new ArrayList<>(List.of(dir + "/a prefix/bin/vesper", "fuzz"));
    line.addAll(List.of("-smp", "1", "-m", "64M", "--from", "13000", "--limit-insns", "20000"));
    line.addAll(List.of("--workers", "1", "--member", name, "-o", dir.resolve(name).toString()));
    line.addAll(List.of(more));
    ProcessBuilder b = new ProcessBuilder(line).directory(dir.toFile()).redirectErrorStream(true);
    b.redirectOutput(dir.resolve(name + ".said").toFile());
    b.environment().clear();
    b.environment().put("PATH", "/no/programs");
    return b;
  }

  /** Two members on loopback come to know of each other. */
  private void membersMeet() throws IOException, InterruptedException {
    String[] places = new String[2];
    for (int i = 0; i < 2; i++) {
      try (ServerSocket s = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
        places[i] = "127.0.0.1:" + s.getLocalPort();
      }
    }
    Process one = member("one", "--listen", places[0]).start();
    try {
      // It is written behind the first member's beginning to listen.
      Path line = dir.resolve("one/cmdline");
      while (one.isAlive() && !Files.exists(line)) {
        Thread.sleep(50);
      }
      Process two =
          member("two", "--listen", places[1], "--join", places[0], "--executions", "200").start();
      assertThat(two.waitFor()).as(Files.readString(dir.resolve("two.said"))).isZero();
      assertThat(Files.readString(dir.resolve("one/cluster/member.log")))
          .contains("member two is there");
      assertThat(one.isAlive()).as(Files.readString(dir.resolve("one.said"))).isTrue();
    } finally {
      one.destroy();
      one.waitFor();
    }
    assertThat(Files.readString(dir.resolve("one.said"))).contains(" executions in ");
  }

  @Test
  @Timeout(value = 20, unit = TimeUnit.MINUTES)
  void anInstalledProgramAndPackagesNeedNothing() throws IOException, InterruptedException {
    Path out = dir.resolve("out");
    run(false, PROJECT.resolve("vesper"), "install", "--prefix", dir.resolve("a prefix"));
    membersMeet();
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
          assertThat(dir.resolve("root/usr/lib/vesper/campaign/vesper-campaign.jar")).exists();
        } else if (name.endsWith(".tar.gz")) {
          run(false, "tar", "-xzf", p);
          Path unpacked = dir.resolve(name.replace(".tar.gz", ""));
          Path launcher = unpacked.resolve("bin/vesper");
          assertThat(unpacked.resolve("lib/vesper/campaign/vesper-campaign.jar")).exists();
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
