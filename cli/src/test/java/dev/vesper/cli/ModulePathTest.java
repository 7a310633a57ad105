package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.Tools;
import dev.vesper.fuzz.Campaign;
import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.observe.format.JsonTree;
import dev.vesper.x86.Decoder;
import java.io.File;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The command from modules, in a process of its own, as {@code ./vesper} starts it: there classes
 * of one module cannot look into those of another, as they can on the class path of all other
 * tests.
 */
final class ModulePathTest {
  /** A class of each module that the command needs. */
  private static final List<Class<?>> MODULES =
      List.of(
          dev.vesper.ghcb.ExitCode.class,
          Decoder.class,
          Machine.class,
          Locore.class,
          Campaign.class,
          Main.class,
          picocli.CommandLine.class);

  @TempDir Path folder;

  private static Path place(Class<?> of) {
    try {
      return Path.of(of.getProtectionDomain().getCodeSource().getLocation().toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  private String path(String name) {
    return folder.resolve(name).toString();
  }

  /** Runs the command, which must end with status 0; {@return what it says on stderr} */
  private String vesper(String... args) throws IOException, InterruptedException {
    List<Path> places = MODULES.stream().map(ModulePathTest::place).toList();
    for (Path p : places) {
      Tools.available(
          Files.isRegularFile(p) || Files.exists(p.resolve("module-info.class")),
          p + " is not built as a module: use Maven");
    }
    List<String> line = new ArrayList<>();
    line.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    line.addAll(List.of("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx1g"));
    line.add("--enable-native-access=dev.vesper.cli,dev.vesper.machine");
    line.add("-p");
    line.add(places.stream().map(Path::toString).collect(Collectors.joining(File.pathSeparator)));
    line.addAll(List.of("-m", "dev.vesper.cli/dev.vesper.cli.Main"));
    line.addAll(List.of(args));
    Process p =
        new ProcessBuilder(line)
            .redirectInput(new File("/dev/null"))
            .redirectOutput(folder.resolve("out").toFile())
            .redirectError(folder.resolve("err").toFile())
            .start();
    assertThat(p.waitFor(120, TimeUnit.SECONDS)).isTrue();
    String err = Files.readString(folder.resolve("err"));
    assertThat(p.exitValue()).as(err).isZero();
    return err;
  }

  private Map<String, Object> summary(String name) throws IOException {
    return JsonTree.object(JsonTree.parse(Files.readString(folder.resolve(name))));
  }

  /** Everything that a snapshot can have in it: an observed run, a script, a disk. */
  @Test
  void aSnapshotGoesOnInAnotherProcess() throws Exception {
    Files.write(folder.resolve("disk"), new byte[1 << 20]);
    Files.writeString(
        folder.resolve("script"), "maybe when entry 100 always\n  note last = insns\n");
    List<String> machine =
        List.of("run", "--sev", "es", "-smp", "2", "--check", "-serial", "none", "--hostile");
    Stream<String> disk =
        Stream.of(path("script"), "-drive", "file=" + path("disk") + ",format=raw");
    List<String> all = Stream.concat(machine.stream(), disk).toList();
    String said =
        vesper(
            with(
                all,
                "--snapshot-out",
                path("s"),
                "--snapshot-at",
                "300K",
                "--json=" + path("a.json")));
    assertThat(said).contains("snapshot of 300000 instructions");
    vesper(with(all, "-loadvm", path("s"), "--json=" + path("b.json")));
    assertThat(summary("b.json")).isEqualTo(summary("a.json"));
  }

  @Test
  void aRecordingIsReplayed() throws Exception {
    String trace = path("t.jsonl");
    vesper("run", "--record", path("r"), "--trace", trace, "-serial", "none");
    vesper("replay", path("r"), "--trace", trace, "-serial", "none");
  }

  private static String[] with(List<String> line, String... more) {
    return Stream.concat(line.stream(), Stream.of(more)).toArray(String[]::new);
  }
}
