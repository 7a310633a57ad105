package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.observe.format.JsonTree;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** {@code --snapshot-out}, {@code --snapshot-at} and {@code -loadvm}. */
final class SnapshotRunTest {
  @TempDir Path folder;

  private CommandResult run(String... more) {
    List<String> all = new ArrayList<>(List.of("run", "--translator", "none"));
    all.addAll(List.of(more).contains("-serial") ? List.of() : List.of("-serial", "none"));
    all.addAll(List.of(more));
    return CommandResult.of(all.toArray(String[]::new));
  }

  private String path(String name) {
    return folder.resolve(name).toString();
  }

  private Map<String, Object> summary(String name) throws Exception {
    return JsonTree.object(JsonTree.parse(Files.readString(folder.resolve(name))));
  }

  @Test
  void anotherProcessGoesOnToTheSameEnd() throws Exception {
    String[] machine = {"--sev", "es", "-smp", "2"};
    CommandResult first =
        run(
            "--sev",
            "es",
            "-smp",
            "2",
            "--snapshot-out",
            path("s"),
            "--snapshot-at",
            "300K",
            "-serial",
            "file:" + path("first.txt"),
            "--json=" + path("first.json"),
            "--trace",
            path("first.jsonl"));
    assertThat(first.status()).as(first.err()).isZero();
    assertThat(first.err()).contains("snapshot of 300000 instructions");
    List<String> args = new ArrayList<>(List.of("run"));
    args.addAll(List.of(machine));
    args.addAll(List.of("-loadvm", path("s"), "--json=" + path("second.json")));
    args.addAll(List.of("--trace", path("second.jsonl"), "-serial", "file:" + path("second.txt")));
    Process p =
        new ProcessBuilder(
                OwnJvm.command(
                    List.of("--enable-native-access=ALL-UNNAMED"),
                    Main.class,
                    args.toArray(String[]::new)))
            .redirectInput(new File("/dev/null"))
            .redirectError(folder.resolve("err").toFile())
            .start();
    assertThat(p.waitFor(120, TimeUnit.SECONDS)).isTrue();
    assertThat(p.exitValue()).as(Files.readString(folder.resolve("err"))).isZero();
    assertThat(summary("second.json")).isEqualTo(summary("first.json"));
    String said = Files.readString(folder.resolve("second.txt"));
    assertThat(said).contains("self-test passed");
    assertThat(Files.readString(folder.resolve("first.txt"))).endsWith(said);
    List<String> whole = Files.readAllLines(folder.resolve("first.jsonl"));
    List<String> rest = Files.readAllLines(folder.resolve("second.jsonl"));
    // The first line is the file's header.
    rest = rest.subList(1, rest.size());
    assertThat(rest).hasSizeGreaterThan(100);
    assertThat(whole.stream().filter(l -> l.contains("\"kind\":\"end\""))).hasSize(1);
    assertThat(whole.subList(whole.size() - rest.size(), whole.size())).isEqualTo(rest);
  }

  @Test
  void aRunThatIsEndedIsWrittenThereAndGoesOn() throws Exception {
    run("--sev", "off", "--json=" + path("whole.json"));
    CommandResult cut = run("--sev", "off", "--limit-insns", "20000", "--snapshot-out", path("s"));
    assertThat(cut.status()).isEqualTo(124);
    assertThat(cut.err()).contains("instruction limit of 20000 reached", "-loadvm");
    CommandResult on = run("--sev", "off", "-loadvm", path("s"), "--json=" + path("on.json"));
    assertThat(on.status()).as(on.err()).isZero();
    assertThat(summary("on.json")).isEqualTo(summary("whole.json"));
  }

  /** The limit may lie in the turn in which the snapshot is written, or is gone on from. */
  @Test
  void aLimitBehindASnapshotIsMetExactly() throws Exception {
    for (String limit : List.of("300001", "300100")) {
      run("--limit-insns", limit, "--json=" + path("whole.json"));
      CommandResult r =
          run(
              "--snapshot-out",
              path("s"),
              "--snapshot-at",
              "300K",
              "--limit-insns",
              limit,
              "--json=" + path("cut.json"));
      assertThat(r.err()).contains("snapshot of 300000 instructions", "limit of " + limit);
      run("-loadvm", path("s"), "--limit-insns", limit, "--json=" + path("on.json"));
      assertThat(summary("cut.json"))
          .containsEntry("instructions", Long.parseLong(limit))
          .isEqualTo(summary("whole.json"))
          .isEqualTo(summary("on.json"));
    }
  }

  @Test
  void aGuestThatEndsBeforeLeavesNoFile() {
    for (String at : List.of("", "900M", "no_such_symbol")) {
      List<String> line = new ArrayList<>(List.of("--sev", "off", "--snapshot-out", path("none")));
      line.addAll(at.isEmpty() ? List.of() : List.of("--snapshot-at", at));
      CommandResult r = run(line.toArray(String[]::new));
      assertThat(r.status()).isZero();
      assertThat(r.err()).contains("there is no snapshot");
      assertThat(folder.resolve("none")).doesNotExist();
    }
  }

  /** A limit of 64 KiB a file, which the shell sets, stands for a disk that is full. */
  @Test
  @EnabledOnOs(OS.LINUX)
  void aDiskThatBecomesFullEndsTheRunAndLeavesNoSnapshot() throws Exception {
    List<String> line =
        OwnJvm.command(
            List.of("--enable-native-access=ALL-UNNAMED", "-XX:-UsePerfData"),
            Main.class,
            "run",
            "--snapshot-out",
            path("s"),
            "--snapshot-at",
            "300K",
            "-serial",
            "none");
    List<String> limited = new ArrayList<>(List.of("sh", "-c", "ulimit -f 128; exec \"$@\"", "sh"));
    limited.addAll(line);
    Process p =
        new ProcessBuilder(limited)
            .redirectInput(new File("/dev/null"))
            .redirectError(folder.resolve("err").toFile())
            .start();
    assertThat(p.waitFor(120, TimeUnit.SECONDS)).isTrue();
    String err = Files.readString(folder.resolve("err"));
    assertThat(p.exitValue()).as(err).isNotZero();
    assertThat(err).contains(path("s")).doesNotContain("Exception", "go on with -loadvm");
    CommandResult r = run("-loadvm", path("s"));
    assertThat(r.status()).isEqualTo(2);
    assertThat(r.err()).contains("it was not written to its end").hasLineCount(1);
  }

  @Test
  void whatDiffersIsSaidInALine() throws Exception {
    run("--sev", "off", "-m", "64M", "--snapshot-at", "1000", "--snapshot-out", path("s"));
    refused("it is of a machine with -m 64M, and this one has 65M", "-m", "65M");
    refused("it is of a machine with --seed", "-m", "64M", "--seed", "5");
    byte[] whole = Files.readAllBytes(folder.resolve("s"));
    Files.write(folder.resolve("s"), Arrays.copyOf(whole, whole.length / 2));
    refused("it is cut short", "-m", "64M");
    byte[] newer = whole.clone();
    newer[11] = 9;
    Files.write(folder.resolve("s"), newer);
    refused("it has version 9 of the format, and this Vesper reads version 1", "-m", "64M");
    byte[] bad = whole.clone();
    bad[bad.length / 2] ^= 1;
    Files.write(folder.resolve("s"), bad);
    refused("has another checksum than it says", "-m", "64M");
    Files.writeString(folder.resolve("s"), "something else");
    refused("it is no snapshot", "-m", "64M");
    Files.delete(folder.resolve("s"));
    refused("there is no such file", "-m", "64M");
  }

  private void refused(String why, String... machine) {
    List<String> line = new ArrayList<>(List.of("--sev", "off", "-loadvm", path("s")));
    line.addAll(List.of(machine));
    CommandResult r = run(line.toArray(String[]::new));
    assertThat(r.status()).isEqualTo(2);
    assertThat(r.err()).contains(why).doesNotContain("\tat ");
    assertThat(r.err().lines()).hasSize(1);
  }

  /** Images are not written to, and must be what they were. */
  @Test
  void aDisksImageIsKnownByItsContents() throws Exception {
    Path image = Files.write(folder.resolve("disk.img"), new byte[1 << 20]);
    String drive = "file=" + image + ",format=raw";
    CommandResult first =
        run(
            "--sev",
            "off",
            "-M",
            "pc",
            "-drive",
            drive,
            "--snapshot-at",
            "1000",
            "--snapshot-out",
            path("s"));
    assertThat(first.err()).contains("no image is written to");
    CommandResult again = run("--sev", "off", "-M", "pc", "-drive", drive, "-loadvm", path("s"));
    assertThat(again.status()).as(again.err()).isZero();
    Files.write(image, "changed".getBytes(StandardCharsets.US_ASCII));
    Files.write(image, Arrays.copyOf("changed".getBytes(StandardCharsets.US_ASCII), 1 << 20));
    CommandResult changed = run("--sev", "off", "-M", "pc", "-drive", drive, "-loadvm", path("s"));
    assertThat(changed.status()).isEqualTo(2);
    assertThat(changed.err()).contains("disk.img, as it was, and that has changed since");
  }

  @Test
  void whatCannotBeMeantIsRefused() {
    meant("name the file with --snapshot-out F", "--snapshot-at", "5");
    meant(
        "is not before --limit-insns",
        "--snapshot-out",
        path("s"),
        "--snapshot-at",
        "5",
        "--limit-insns",
        "5");
    meant("takes a number of instructions", "--snapshot-out", path("s"), "--snapshot-at", "5x");
    meant(
        "cannot hold a shared folder",
        "-loadvm",
        path("s"),
        "--share",
        "path=" + folder + ",tag=t");
    meant(
        "cannot hold connections", "--snapshot-out", path("s"), "-nic", "user,hostfwd=tcp::0-:80");
    meant("without a debugger", "--snapshot-out", path("s"), "-s");
  }

  @Test
  void aPlaceThatASnapshotHasLeftBehindIsRefused() {
    run("--sev", "off", "--snapshot-at", "1000", "--snapshot-out", path("s"));
    for (String n : List.of("999", "1000")) {
      CommandResult r =
          run(
              "--sev",
              "off",
              "-loadvm",
              path("s"),
              "--snapshot-at",
              n,
              "--snapshot-out",
              path("t"));
      assertThat(r.status()).isEqualTo(2);
      assertThat(r.err())
          .isEqualTo(
              "vesper: --snapshot-at %s: -loadvm %s stands at 1000 instructions; name a later place\n"
                  .formatted(n, path("s")));
      assertThat(folder.resolve("t")).doesNotExist();
    }
    CommandResult on =
        run(
            "--sev",
            "off",
            "-loadvm",
            path("s"),
            "--snapshot-at",
            "1001",
            "--snapshot-out",
            path("t"));
    assertThat(on.status()).as(on.err()).isZero();
    assertThat(on.err()).contains("snapshot of 1001 instructions");
  }

  private void meant(String why, String... line) {
    CommandResult r = run(line);
    assertThat(r.status()).isEqualTo(2);
    assertThat(r.err()).contains(why);
  }
}
