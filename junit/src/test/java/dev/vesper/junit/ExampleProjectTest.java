package dev.vesper.junit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.Tools;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A project of somebody else's tests a kernel by the coordinates of what this build makes: Maven
 * runs {@code examples/junit-linux} against a local repository in which the modules are as {@code
 * mvn install} puts them. Everything else comes from the repository of this build, or from Central
 * where that lacks it.
 */
@Tag("slow")
final class ExampleProjectTest {
  private static final List<String> MODULES = List.of("ghcb", "x86", "machine", "junit");
  private static final String VERSION = "0.2-SNAPSHOT";

  private static final String FAILING =
      """
      package example;

      import static dev.vesper.junit.GuestAssertions.assertThat;

      import dev.vesper.junit.*;
      import org.junit.jupiter.api.Test;

      @SevGuest(kernel = "${vmlinuz}", append = "earlyprintk=ttyS0", limitInsns = 150_000_000)
      class WrongTest {
        @Test
        void isNotOpenBsd(GuestRun run) {
          assertThat(run).reached("start_kernel").printed("OpenBSD");
        }

        @Test
        void isOfAnotherMind(GuestRun run) {
          throw new IllegalStateException("a failure of another kind");
        }
      }
      """;

  @TempDir static Path folder;
  private static Path root;

  @BeforeAll
  static void install() throws IOException {
    root = Path.of(System.getProperty("vesper.root", ".."));
    Tools.need("mvn", "maven");
    Files.write(folder.resolve("vmlinuz"), DebianKernel.image());
    Path local = folder.resolve("local");
    put(local, "vesper", root.resolve("pom.xml"), "pom");
    for (String m : MODULES) {
      Path classes = root.resolve(m).resolve("target/classes");
      Tools.available(
          Files.exists(classes.resolve("module-info.class")), classes + " is not built: use Maven");
      Path jar = folder.resolve(m + ".jar");
      ToolProvider tool = ToolProvider.findFirst("jar").orElseThrow();
      int status =
          tool.run(System.out, System.err, "-cf", jar.toString(), "-C", classes.toString(), ".");
      assertThat(status).isZero();
      put(local, "vesper-" + m, root.resolve(m).resolve("pom.xml"), "pom");
      put(local, "vesper-" + m, jar, "jar");
    }
    Files.writeString(folder.resolve("settings.xml"), settings(local));
  }

  private static void put(Path repository, String artifact, Path file, String type)
      throws IOException {
    Path to = repository.resolve("dev/vesper").resolve(artifact).resolve(VERSION);
    Files.createDirectories(to);
    Files.copy(file, to.resolve(artifact + "-" + VERSION + "." + type));
  }

  /** {@return the repository that this build has filled} */
  private static Path filled() {
    String own = System.getProperty("maven.repo.local", System.getProperty("localRepository"));
    return own != null ? Path.of(own) : Path.of(System.getProperty("user.home"), ".m2/repository");
  }

  private static String settings(Path local) {
    String repository =
        """
        <id>filled</id>
        <url>%s</url>
        <releases><checksumPolicy>ignore</checksumPolicy></releases>
        <snapshots><enabled>false</enabled></snapshots>
        """
            .formatted(filled().toUri());
    return """
    <settings>
      <localRepository>%s</localRepository>
      <profiles>
        <profile>
          <id>here</id>
          <activation><activeByDefault>true</activeByDefault></activation>
          <repositories><repository>%s</repository></repositories>
          <pluginRepositories><pluginRepository>%s</pluginRepository></pluginRepositories>
        </profile>
      </profiles>
    </settings>
    """
        .formatted(local, repository, repository);
  }

  /** Copies the example to a folder of its own. */
  private static Path project(String name) throws IOException {
    Path from = root.resolve("examples/junit-linux");
    Path to = folder.resolve(name);
    for (String f : List.of("pom.xml", "src/test/java/example/LinuxTest.java")) {
      Files.createDirectories(to.resolve(f).getParent());
      Files.copy(from.resolve(f), to.resolve(f));
    }
    return to;
  }

  private record Result(int status, String log) {}

  private static Result maven(Path project, String... more)
      throws IOException, InterruptedException {
    Path log = project.resolve("log");
    List<String> command =
        Stream.concat(
                Stream.of(
                    "mvn",
                    "-B",
                    "-ntp",
                    "-s",
                    folder.resolve("settings.xml").toString(),
                    "-Dvmlinuz=" + folder.resolve("vmlinuz"),
                    "test"),
                Stream.of(more))
            .toList();
    ProcessBuilder b =
        new ProcessBuilder(command)
            .directory(project.toFile())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile());
    b.environment().put("JAVA_HOME", System.getProperty("java.home"));
    Process p = b.start();
    if (!p.waitFor(600, TimeUnit.SECONDS)) {
      p.destroyForcibly();
      throw new AssertionError("Maven does not end:\n" + Files.readString(log));
    }
    return new Result(p.exitValue(), Files.readString(log));
  }

  @Test
  void aFreshProjectTestsAKernelOnTheClassPath() throws Exception {
    Result r = maven(project("class-path"));
    assertThat(r.log).contains("Tests run: 1, Failures: 0, Errors: 0, Skipped: 0");
    assertThat(r.status).as(r.log).isZero();
    assertThat(folder.resolve("class-path/target/vesper")).doesNotExist();
  }

  @Test
  void theSameOnTheModulePath() throws Exception {
    Path p = project("module-path");
    Files.createDirectories(p.resolve("src/main/java"));
    Files.writeString(
        p.resolve("src/main/java/module-info.java"),
        "open module example {\n  requires dev.vesper.junit;\n}\n");
    Path pom = p.resolve("pom.xml");
    Files.writeString(pom, Files.readString(pom).replace("<scope>test</scope>", ""));
    Path test = p.resolve("src/test/java/example/LinuxTest.java");
    Files.writeString(
        test,
        Files.readString(test)
            .replace(
                "    assertThat",
                "    System.out.println(\"in \" + SevGuest.class.getModule());\n    assertThat"));
    Result r = maven(p);
    assertThat(r.log)
        .contains("in module dev.vesper.junit")
        .contains("Tests run: 1, Failures: 0, Errors: 0, Skipped: 0");
    assertThat(r.status).as(r.log).isZero();
  }

  @Test
  void aTestThatFailsShowsWhatTheKernelDid() throws Exception {
    Path p = project("failing");
    Files.writeString(p.resolve("src/test/java/example/WrongTest.java"), FAILING);
    Result r = maven(p, "-Dtest=WrongTest");
    assertThat(r.status).as(r.log).isEqualTo(1);
    assertThat(r.log).contains("Tests run: 2, Failures: 1, Errors: 1, Skipped: 0");
    Path pages = p.toRealPath().resolve("target/vesper/example.WrongTest");
    assertThat(r.log)
        .containsPattern("Expecting guest to (reach start_kernel|print \"OpenBSD\")")
        .contains(
            "guest vmlinuz --sev es: it ended with status 124: instruction limit of 150000000")
        .contains("\nits console, last lines:\n")
        .contains("\nlast events:\n")
        .containsPattern("\n  \\[\\d+us] cpu0 (ghcb|vc|vc_return) SVM_VMEXIT_\\w+ rip=0x")
        .contains("java.lang.IllegalStateException: a failure of another kind")
        .contains("Suppressed: dev.vesper.junit.GuestReport: guest vmlinuz --sev es: ");
    Matcher m = Pattern.compile("\ntrace: (.*\\.html)\n").matcher(r.log);
    assertThat(m.results().map(x -> x.group(1)).distinct())
        .containsExactlyInAnyOrder(
            pages.resolve("isNotOpenBsd.html").toString(),
            pages.resolve("isOfAnotherMind.html").toString());
    for (String name : List.of("isNotOpenBsd.html", "isOfAnotherMind.html")) {
      assertThat(rows(Files.readString(pages.resolve(name)))).contains("vmgexit");
    }
  }

  /** {@return the first rows of a page, which are packed by gzip} */
  private static String rows(String page) throws IOException {
    Matcher m = Pattern.compile(">\\[\"([\\w+/=]+)\"").matcher(page);
    assertThat(m.find()).isTrue();
    byte[] packed = Base64.getDecoder().decode(m.group(1));
    try (GZIPInputStream in = new GZIPInputStream(new ByteArrayInputStream(packed))) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}
