package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.vesper.machine.Machine;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The option {@code --code-cache} of runs in processes of their own. */
final class CodeCacheTest {
  private static final List<String> NATIVE = List.of("--enable-native-access=ALL-UNNAMED");

  @TempDir Path dir;
  private Path home;

  private record Run(int status, String hash, String err) {}

  @BeforeEach
  void needsNativeCode() throws IOException {
    assumeTrue(
        Machine.lackOfNativeCode() == null, () -> "no native code: " + Machine.lackOfNativeCode());
    home = Files.createDirectory(dir.resolve("home"));
  }

  private Run run(String... options) throws Exception {
    List<String> all = new ArrayList<>(List.of("run", "--json=" + dir.resolve("r.json")));
    all.addAll(List.of(options));
    Path err = dir.resolve("err");
    ProcessBuilder b =
        new ProcessBuilder(OwnJvm.command(NATIVE, Main.class, all.toArray(String[]::new)))
            .redirectInput(Path.of("/dev/null").toFile())
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .redirectError(err.toFile());
    b.environment().put("HOME", home.toString());
    b.environment().remove("XDG_CACHE_HOME");
    int status = b.start().waitFor();
    Path json = dir.resolve("r.json");
    String hash =
        Files.exists(json) ? Files.readString(json).replaceAll(".*state_hash\": ?\"|\".*", "") : "";
    Files.deleteIfExists(json);
    return new Run(status, hash, Files.readString(err, StandardCharsets.ISO_8859_1));
  }

  private static Path only(Path folder) throws IOException {
    try (var all = Files.list(folder)) {
      List<Path> files = all.toList();
      assertThat(files).hasSize(1);
      return files.get(0);
    }
  }

  @Test
  void aRunKeepsItsCodeAndTheNextOneUsesIt() throws Exception {
    Run off = run("--code-cache", "off");
    assertThat(off.status).as(off.err).isZero();
    assertThat(home).isEmptyDirectory();
    Run first = run("-v");
    Path file = only(home.resolve(".cache/vesper/code"));
    long size = Files.size(file);
    assertThat(size).isGreaterThan(10_000);
    Run second = run("-v");
    assertThat(List.of(first.hash, second.hash)).containsOnly(off.hash);
    assertThat(off.hash).hasSizeGreaterThan(32);
    assertThat(Files.size(file)).isEqualTo(size);
    assertThat(second.err).doesNotContain("[code-cache]");
    Files.write(file, new byte[] {1}, java.nio.file.StandardOpenOption.APPEND);
    Run third = run("-v");
    assertThat(third.hash).isEqualTo(off.hash);
    assertThat(third.err.lines().filter(l -> l.startsWith("[code-cache]")))
        .containsExactly("[code-cache] native code is made anew: " + file + " is not whole");
    assertThat(Files.size(file)).isEqualTo(size);
  }

  @Test
  void aFolderThatCannotBeUsedIsNoReasonToFail() throws Exception {
    Path open = Files.createDirectory(dir.resolve("open"));
    Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxrwxrwx"));
    Run r = run("--code-cache", open.toString());
    assertThat(r.status).as(r.err).isZero();
    assertThat(r.err).contains("no cache of native code: " + open + " can be written to by others");
    assertThat(open).isEmptyDirectory();
  }

  @Test
  void noGuestReachesTheFolder() throws Exception {
    Path share = Files.createDirectory(dir.resolve("share"));
    Path inside = share.resolve("code");
    Run named = run("--share", "path=" + share + ",tag=t", "--code-cache", inside.toString());
    assertThat(named.status).isEqualTo(2);
    assertThat(named.err.lines())
        .containsExactly(
            "vesper: --code-cache "
                + inside
                + " lies in a shared folder, where the guest could change what is executed: name"
                + " another, or off");
    assertThat(inside).doesNotExist();
    Run usual = run("-v", "--share", "path=" + home + ",tag=t");
    assertThat(usual.status).as(usual.err).isZero();
    assertThat(usual.err).contains("[code-cache] no cache of native code: ");
    assertThat(home).isEmptyDirectory();
  }

  @Test
  void mistakesAreSaidInOneLine() throws Exception {
    Path file = Files.createFile(dir.resolve("file"));
    for (String wrong : new String[] {file.toString(), dir.resolve("none/code").toString()}) {
      Run r = run("--code-cache", wrong);
      assertThat(r.status).isEqualTo(2);
      assertThat(r.err.lines()).hasSize(1);
      assertThat(r.err).contains(wrong);
    }
  }

  @Test
  void withoutNativeCodeNothingIsKept() throws Exception {
    assertThat(run("--translator", "regions").status).isZero();
    assertThat(run("--translate-after", "0", "-v").status).isZero();
    assertThat(home).isEmptyDirectory();
  }
}
