package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/**
 * The launcher in a clone, with a Java that says what it is told and builds nothing but the record
 * of a build.
 */
@EnabledOnOs({OS.LINUX, OS.MAC})
final class LauncherTest {
  private static final Path PROJECT = Path.of(System.getProperty("vesper.root", ".."));

  private static final String JAVA =
      """
      #!/bin/sh
      echo "ran $*"
      for a in "$@"; do
        shift
        case "$a" in
          */Build.java)
            if [ "$3" = campaign ]; then
              [ -z "${OFFLINE:-}" ] || { echo "vesper: the build failed: no library a.jar" >&2; exit 2; }
              mkdir -p "$2/build-1/campaign/lib"
              exit
            fi
            mkdir -p "$2/build-1/lib"
            printf '%s\\n' "$1" "$2" "$JAVA_HOME" "$(cat "$JAVA_HOME/release")" build-1 >"$2/built"
            echo "built in $2" ;;
          */dev.vesper.cli.Reference)
            for f in vesper.1 vesper.bash vesper.zsh vesper.fish; do : >"$1/$f"; done ;;
        esac
      done
      """;

  private static final String JLINK =
      """
      #!/bin/sh
      echo "linked $*" >"$0.said"
      for a in "$@"; do
        shift
        case "$a" in --output) mkdir -p "$1/bin" && cp "${0%/*}/java" "$1/bin/java" ;; esac
      done
      """;

  @TempDir Path dir;
  private Path clone;
  private Path jdk;

  @BeforeEach
  void makeClone() throws IOException {
    clone = Files.createDirectory(dir.resolve("a clone"));
    copy(PROJECT.resolve("vesper"), clone.resolve("vesper"));
    copy(PROJECT.resolve("pom.xml"), clone.resolve("pom.xml"));
    Files.createDirectory(clone.resolve("launcher"));
    try (Stream<Path> s = Files.list(PROJECT.resolve("launcher"))) {
      for (Path p : s.toList()) {
        copy(p, clone.resolve("launcher").resolve(p.getFileName()));
      }
    }
    for (String m : List.of("ghcb", "x86", "machine", "guest", "fuzz", "cli", "bench")) {
      Files.createDirectories(clone.resolve(m).resolve("src/main"));
    }
    jdk = Files.createDirectories(dir.resolve("a jdk"));
    Files.writeString(jdk.resolve("release"), "JAVA_VERSION=\"25.0.1\"\n");
    Files.createDirectory(jdk.resolve("bin"));
    for (String p : List.of("java", "javac", "jlink")) {
      Path program = jdk.resolve("bin").resolve(p);
      Files.writeString(program, p.equals("jlink") ? JLINK : JAVA);
      Files.setPosixFilePermissions(program, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
  }

  private static void copy(Path from, Path to) throws IOException {
    Files.copy(from, to, java.nio.file.StandardCopyOption.COPY_ATTRIBUTES);
  }

  private String run(int status, Map<String, String> variables, String... line)
      throws IOException, InterruptedException {
    ProcessBuilder b = new ProcessBuilder(line).directory(dir.toFile()).redirectErrorStream(true);
    Map<String, String> environment = b.environment();
    environment.clear();
    environment.put("PATH", "/usr/bin:/bin");
    environment.put("VESPER_JDK", jdk.toString());
    environment.putAll(variables);
    Process p = b.start();
    p.getOutputStream().close();
    String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(p.waitFor()).as(said).isEqualTo(status);
    return said;
  }

  private String run(Path launcher, String... args) throws IOException, InterruptedException {
    List<String> line = new ArrayList<>(List.of(launcher.toString()));
    line.addAll(Arrays.asList(args));
    return run(0, Map.of(), line.toArray(String[]::new));
  }

  @Test
  void whatIsBuiltOnceIsTakenUntilItIsStale() throws IOException, InterruptedException {
    Path vesper = clone.resolve("vesper");
    String options = "@" + clone + "/launcher/jvm.options";
    assertThat(run(vesper, "run", "-m", "1G", "a  b"))
        .contains("built in " + clone + "/.vesper")
        .contains("ran " + options)
        .contains("-Xmx768m")
        .contains("-p " + clone + "/.vesper/build-1/lib -m dev.vesper.cli/dev.vesper.cli.Main run")
        .endsWith("a  b\n");
    assertThat(run(vesper, "run")).doesNotContain("built");
    assertThat(run(vesper, "build")).contains("built");
    Files.delete(Files.writeString(clone.resolve("x86/src/main/Gone.java"), "new"));
    Files.setLastModifiedTime(
        clone.resolve("x86/src/main"),
        java.nio.file.attribute.FileTime.fromMillis(System.currentTimeMillis() + 2000));
    assertThat(run(vesper, "run")).contains("built");
  }

  @Test
  void aLinkIsFollowedFromAnywhere() throws IOException, InterruptedException {
    Path links = Files.createDirectory(dir.resolve("bin"));
    Path absolute = Files.createSymbolicLink(links.resolve("one"), clone.resolve("vesper"));
    Files.createSymbolicLink(links.resolve("vesper"), Path.of("one"));
    Path relative = Files.createSymbolicLink(dir.resolve("two"), Path.of("bin/vesper"));
    String expected = clone + "/.vesper/build-1/lib";
    assertThat(run(absolute, "run")).contains(expected);
    assertThat(run(relative, "run")).contains(expected);
    String path = links + ":/usr/bin:/bin";
    assertThat(run(0, Map.of("PATH", path), "/bin/sh", "-c", "vesper run")).contains(expected);
    // The same clone by another name is the same.
    Path other = Files.createSymbolicLink(dir.resolve("other"), clone);
    assertThat(run(other.resolve("vesper"), "run")).contains(expected).doesNotContain("built in");
  }

  @Test
  void aCopyOrAMovedCloneIsBuiltAnew() throws IOException, InterruptedException {
    run(clone.resolve("vesper"), "run");
    run(0, Map.of(), "/bin/cp", "-a", clone.toString(), dir.resolve("copy").toString());
    assertThat(run(dir.resolve("copy/vesper"), "run"))
        .contains("built in " + dir + "/copy/.vesper");
    Path moved = Files.move(clone, dir.resolve("moved"));
    assertThat(run(moved.resolve("vesper"), "run"))
        .contains("built in " + moved + "/.vesper")
        .doesNotContain("a clone");
  }

  @Test
  void anotherJdkBuildsAnew() throws IOException, InterruptedException {
    run(clone.resolve("vesper"), "run");
    Files.writeString(jdk.resolve("release"), "JAVA_VERSION=\"25.0.2\"\n");
    assertThat(run(clone.resolve("vesper"), "run")).contains("built in");
  }

  @Test
  void whoMayNotWriteHereHasACacheOrALine() throws IOException, InterruptedException {
    // Nobody may write below a file, root neither.
    Files.writeString(clone.resolve(".vesper"), "");
    String vesper = clone.resolve("vesper").toString();
    assertThat(run(2, Map.of(), vesper, "run")).contains("HOME").hasLineCount(1);
    Map<String, String> home = new TreeMap<>(Map.of("HOME", dir.resolve("home").toString()));
    assertThat(run(0, home, vesper, "run")).contains("built in " + dir + "/home/.cache/vesper/");
    home.put("XDG_CACHE_HOME", dir.resolve("xdg").toString());
    assertThat(run(0, home, vesper, "run")).contains("built in " + dir + "/xdg/vesper/builds/");
    assertThat(run(0, home, vesper, "run")).doesNotContain("built");
  }

  @Test
  void withoutAJdkALineSaysHowToGetOne() throws IOException, InterruptedException {
    Path bin = Files.createDirectory(dir.resolve("few"));
    for (String p :
        List.of(
            "sh", "uname", "id", "dirname", "find", "sed", "tr", "head", "grep", "awk", "df", "du",
            "cksum")) {
      Path program = Path.of("/bin", p);
      Files.createSymbolicLink(
          bin.resolve(p), Files.exists(program) ? program : Path.of("/usr/bin", p));
    }
    Files.delete(jdk.resolve("bin/javac"));
    // The real one lies in a usual place: what is looked for is another version.
    String launcher = Files.readString(clone.resolve("vesper"));
    Files.writeString(
        clone.resolve("vesper"),
        launcher.replaceAll("for d in /usr/lib/jvm/[^;]*; do", "for d in /none; do"));
    Map<String, String> few = Map.of("PATH", bin.toString(), "HOME", dir.toString());
    String said = run(2, few, clone.resolve("vesper").toString(), "run");
    assertThat(said).startsWith("vesper: no JDK 25").contains(".jdks").hasLineCount(2);
    assertThat(run(1, few, clone.resolve("vesper").toString(), "doctor", "--json"))
        .startsWith("{\"schema\":\"vesper.doctor/1\",\"ok\":false,")
        .contains("{\"name\":\"jdk\",\"state\":\"missing\"");
  }

  @Test
  void memoryIsFoundWhereverItIsSaid() throws IOException, InterruptedException {
    Path v = Files.writeString(dir.resolve("v.toml"), "m = 3\n[run]\n'memory' = \"1G\" # c\n");
    Path args = Files.writeString(dir.resolve("args"), "-append \"a b\"\n-m 256M");
    Path vesper = clone.resolve("vesper");
    assertThat(run(vesper, "run")).contains("-Xmx640m");
    assertThat(run(vesper, "run", "@" + args)).contains("-Xmx576m");
    assertThat(run(vesper, "run", "-m", "128M", "--config", v.toString())).contains("-Xmx544m");
    assertThat(run(vesper, "boot", "--config=" + v, "--", "-m", "64M")).contains("-Xmx768m");
    assertThat(run(vesper, "-m", "2G", "--memory-limit", "1G")).contains("-Dvesper.room=768 ");
  }

  /** Installs what is there of the clone; {@return what that says} */
  private String install(Path prefix, Map<String, String> variables)
      throws IOException, InterruptedException {
    for (String f : List.of("README.md", "LICENSE", "docs/a.md", "examples/a", "campaign/a")) {
      Files.createDirectories(clone.resolve(f).getParent());
      Files.writeString(clone.resolve(f), "");
    }
    Path gdb = Files.createDirectories(clone.resolve("cli/src/main/resources/dev/vesper/cli/gdb"));
    Files.writeString(gdb.resolve("vesper.py"), "");
    String vesper = clone.resolve("vesper").toString();
    String said = run(0, variables, vesper, "install", "--prefix", prefix.toString());
    // What the JVM has noted of a start, as the real one would have.
    Files.writeString(prefix.resolve("lib/vesper/vesper.aot"), "");
    return said;
  }

  /** What shares a campaign has more on its paths, and nothing that is of a start without. */
  @Test
  void aSharedCampaignAloneHasItsModule() throws IOException, InterruptedException {
    Path prefix = dir.resolve("a prefix");
    install(prefix, Map.of());
    assertThat(Files.readString(jdk.resolve("bin/jlink.said")))
        .contains("--add-modules dev.vesper.cli,java.management,");
    Path args = Files.writeString(dir.resolve("words"), "-m 64M\n--join 10.0.0.1:7799\n");
    Path other = Files.writeString(dir.resolve("others"), "-m 64M\n# --join 10.0.0.1:7799\n");
    Map<Path, String> launchers =
        Map.of(
            clone.resolve("vesper"), clone + "/.vesper/build-1/lib:" + clone + "/.vesper/build-1/",
            prefix.resolve("bin/vesper"), prefix + "/lib/vesper/");
    for (Map.Entry<Path, String> l : launchers.entrySet()) {
      String path = "-p " + l.getValue() + "campaign -cp ";
      assertThat(run(l.getKey(), "fuzz", "--join=10.0.0.1:7799"))
          .contains(path, "--enable-native-access=dev.vesper.cli,dev.vesper.machine,ALL-UNNAMED ")
          .doesNotContain("AOTCache");
      assertThat(run(l.getKey(), "fuzz", "-o", "d", "--listen", "10.0.0.1:7799")).contains(path);
      assertThat(run(l.getKey(), "fuzz", "@" + args)).contains(path);
      for (String[] line :
          List.of(
              new String[] {"fuzz", "-o", "d"},
              new String[] {"fuzz", "@" + other},
              new String[] {"run", "--join", "x"})) {
        assertThat(run(l.getKey(), line)).doesNotContain("campaign").doesNotContain("UNNAMED");
      }
    }
    assertThat(run(prefix.resolve("bin/vesper"), "fuzz", "-o", "d"))
        .contains("-XX:AOTCache=" + prefix + "/lib/vesper/vesper.aot ");
  }

  @Test
  void aProgramIsInstalledWithoutWhatCannotBeFetched() throws IOException, InterruptedException {
    Path prefix = dir.resolve("a prefix");
    String said = install(prefix, Map.of("OFFLINE", "yes"));
    assertThat(said)
        .contains("(fuzz --listen, --join) are left out: no library a.jar; the same line again")
        .contains("installed " + prefix + "/bin/vesper");
    assertThat(Files.readString(jdk.resolve("bin/jlink.said")))
        .contains("--add-modules dev.vesper.cli --output");
    // The command is asked, which says that it cannot.
    assertThat(run(prefix.resolve("bin/vesper"), "fuzz", "--join", "10.0.0.1:7799"))
        .contains("-m dev.vesper.cli/dev.vesper.cli.Main fuzz")
        .doesNotContain("UNNAMED");
    install(prefix, Map.of());
    assertThat(prefix.resolve("lib/vesper/campaign")).isDirectory();
  }

  /** No test runs the one for Windows: it says what the other one does. */
  @Test
  void bothLaunchersStartASharedCampaignAlike() throws IOException {
    String options =
        "--add-modules ALL-DEFAULT --add-reads dev.vesper.campaign=ALL-UNNAMED"
            + " --sun-misc-unsafe-memory-access=allow";
    assertThat(
            Files.readString(PROJECT.resolve("launcher/run.sh")).replaceAll("\\s+(\\\\\\s+)?", " "))
        .contains("-cp \"$cluster/lib/*\" " + options);
    assertThat(Files.readString(PROJECT.resolve("vesper.cmd")))
        .contains("-cp \"%cluster%\\lib\\*\" " + options)
        .contains("--listen", "--join", ":build campaign");
  }
}
