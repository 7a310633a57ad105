package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.spec.Outcome;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a run writes is open before the guest starts, and lies where no guest comes. */
final class ShareRunTest {
  private static final String END = "mov al, 0x10\nout 0xf4, al\nhlt";

  @TempDir Path dir;
  private Path in;
  private Path out;
  private Path guest;

  @BeforeEach
  void makeFolders() throws IOException {
    in = Files.createDirectory(dir.resolve("in"));
    out = Files.createDirectory(dir.resolve("out"));
    guest = Files.write(out.resolve("guest.elf"), FlatGuest.image(END));
  }

  private static CommandResult run(String line) {
    List<String> args = new ArrayList<>(List.of("run"));
    args.addAll(List.of(line.split(" ")));
    if (!line.contains("-serial")) {
      args.addAll(List.of("-serial", "none"));
    }
    if (!line.contains("--sev")) {
      args.addAll(List.of("--sev", "off"));
    }
    return CommandResult.of(args.toArray(String[]::new));
  }

  private void refused(String line, String words) throws IOException {
    CommandResult r = run(line);
    assertThat(r.status()).as(line + ": " + r.err()).isEqualTo(2);
    assertThat(r.err()).startsWith("vesper: cannot ").contains(words);
    assertThat(r.err().lines().count()).isEqualTo(1);
    try (Stream<Path> s = Files.list(in)) {
      assertThat(s.filter(p -> p.toString().contains("new"))).isEmpty();
    }
  }

  private String share() {
    return "--share path=" + in + ",tag=x ";
  }

  @Test
  void nothingIsWrittenInAShare() throws IOException {
    Path new1 = in.resolve("new");
    Files.createSymbolicLink(out.resolve("t.txt"), in.resolve("new.txt"));
    String image = share() + guest + " ";
    refused(image + "--trace " + new1 + ".jsonl", "it lies in " + in);
    refused(image + "--trace " + out + "/t.txt", "it lies in " + in);
    refused(image + "-vga std --screenshot " + new1 + ".txt", "it lies in");
    refused(image + "-serial file:" + new1, "it lies in");
    refused(image + "--virtio-console file:" + new1, "it lies in");
    refused(image + "--coverage " + new1 + ".drcov", "it lies in");
    refused(image + "--sev es --check --report " + new1 + ".md", "it lies in");
    refused(image + "--sev es --check --write-baseline " + new1, "it lies in");
    refused(image.replace("tag=x", "tag=x,readonly=on") + "--trace " + new1 + ".txt", "lies in");
    Path disk = Files.writeString(in.resolve("disk"), "disk");
    refused(image + "-drive format=raw,file=" + disk, "cannot write " + disk);
    refused(image + "-drive format=raw,readonly=on,file=" + disk, "cannot read " + disk);
    Path twin = Files.createLink(out.resolve("twin.txt"), Files.createFile(in.resolve("t")));
    refused(image + "--trace " + twin, "another name in");
    assertThat(disk).hasContent("disk");
  }

  @Test
  void nothingIsReadThatTheGuestCouldWrite() throws IOException {
    Path image = Files.copy(guest, in.resolve("guest.elf"));
    refused(share() + image, "cannot read " + image + ": it lies in " + in);
    refused(share() + guest + " -initrd " + image, "cannot read ");
    Path map = Files.writeString(in.resolve("map"), "0000000001000000 T start\n");
    refused(share() + guest + " --symbols " + map, "cannot read ");
    String readOnly = share().replace("tag=x", "tag=x,readonly=on");
    assertThat(run(readOnly + image).status()).isEqualTo(33);
    assertThat(run(share() + guest).status()).isEqualTo(33);
  }

  @Test
  void sharesDoNotOverlap() throws IOException {
    Path sub = Files.createDirectory(in.resolve("sub"));
    Path link = Files.createSymbolicLink(out.resolve("link"), sub);
    refused(share() + "--share path=" + sub + ",tag=y " + guest, "overlaps");
    refused("--share path=" + link + ",tag=y " + share() + guest, "overlaps");
    assertThat(run(share() + "--share path=" + out + ",tag=y,readonly=on " + guest).status())
        .isEqualTo(33);
  }

  @Test
  void aPipeThatNobodyReadsIsRefused() {
    assertTimeoutPreemptively(
        Duration.ofSeconds(60),
        () -> {
          for (String o :
              List.of("--trace P.txt", "-serial file:P.txt", "-vga std --screenshot P.txt")) {
            Path p = out.resolve("p" + o.length() + ".txt");
            assertThat(new ProcessBuilder("mkfifo", p.toString()).start().waitFor()).isZero();
            refused(guest + " " + o.replace("P.txt", p.toString()), "nobody reads");
            // Somebody does: the thread that has waited ends.
            try (InputStream i = Files.newInputStream(p)) {
              assertThat(i.readAllBytes()).isEmpty();
            }
          }
        });
  }

  /** A device that takes nothing is the user's mistake, whatever is written to it and when. */
  @Test
  void aDeviceThatIsFullIsSaidInALine() throws IOException {
    Path hello =
        Files.write(
            out.resolve("hello.elf"),
            FlatGuest.image("mov dx, 0x3f8\nmov al, 10\nout dx, al\n" + END));
    Path full = Path.of("/dev/full");
    Path trace = Files.createSymbolicLink(out.resolve("full.txt"), full);
    for (String o : List.of("-serial file:" + full, "--trace " + trace + " --sev es")) {
      CommandResult r = run(hello + " " + o);
      assertThat(r.status()).as(r.err()).isEqualTo(Outcome.UNWRITTEN);
      assertThat(r.err().lines().toList().getLast())
          .startsWith("vesper: cannot write")
          .containsPattern("No space left|no room is left");
      assertThat(r.err()).doesNotContain("\tat ");
    }
  }

  @Test
  void aTraceIsWholeThoughAnotherHasNoRoom() throws IOException {
    Path full = Files.createSymbolicLink(out.resolve("full.txt"), Path.of("/dev/full"));
    Path whole = out.resolve("whole.jsonl");
    CommandResult r = run(guest + " --sev es --trace " + full + " --trace " + whole);
    assertThat(r.status()).as(r.err()).isEqualTo(Outcome.UNWRITTEN);
    assertThat(Files.readAllLines(whole).getLast()).contains("\"kind\":\"end\"");
  }

  @Test
  void aFileWithoutAnEndIsRefused() throws IOException {
    for (String line : List.of("/dev/zero", guest + " --symbols /dev/zero")) {
      CommandResult r = run(line);
      assertThat(r.status()).isEqualTo(2);
      assertThat(r.err()).contains("/dev/zero is larger than");
      assertThat(r.err().lines().count()).isEqualTo(1);
    }
  }

  @Test
  void aPipeWhoseReaderSleepsHoldsNobodyUp() throws IOException {
    Path loop = Files.write(out.resolve("loop.elf"), FlatGuest.image("L: cpuid\njmp short L"));
    assertTimeoutPreemptively(
        Duration.ofSeconds(60),
        () -> {
          Path p = out.resolve("p.txt");
          assertThat(new ProcessBuilder("mkfifo", p.toString()).start().waitFor()).isZero();
          Process sleeper = new ProcessBuilder("sh", "-c", "exec sleep 60 <" + p).start();
          try {
            long start = System.nanoTime();
            CommandResult r = run("--timeout 1 --trace " + p + " " + loop);
            assertThat(System.nanoTime() - start).isLessThan(15_000_000_000L);
            assertThat(r.status()).isIn(Outcome.UNWRITTEN, Outcome.LIMIT);
          } finally {
            sleeper.destroy();
          }
        });
  }

  @Test
  void aPipeThatIsReadGetsAll() {
    assertTimeoutPreemptively(
        Duration.ofSeconds(60),
        () -> {
          Path p = out.resolve("p.txt");
          assertThat(new ProcessBuilder("mkfifo", p.toString()).start().waitFor()).isZero();
          Path copy = out.resolve("copy");
          Process reader = new ProcessBuilder("sh", "-c", "cat <" + p + " >" + copy).start();
          Path file = out.resolve("file.txt");
          assertThat(run("--sev es --trace " + p + " --trace " + file).status()).isZero();
          reader.waitFor();
          assertThat(copy).isNotEmptyFile().hasSameBinaryContentAs(file);
        });
  }

  @Test
  void whatIsNotWrittenIsNotThere() throws IOException {
    Path png = out.resolve("s.png");
    assertThat(
            run("-vga std --screenshot " + png + " --coverage " + out + "/c.info " + guest).err())
        .contains("no DWARF lines");
    assertThat(png).doesNotExist();
    assertThat(out.resolve("c.info")).doesNotExist();
    Path old = Files.writeString(out.resolve("s.txt"), "old and longer than what the screen shows");
    String shown = "-vga std --screenshot " + old + " ";
    assertThat(run(shown + "--coverage " + out + "/c.info " + guest).status()).isEqualTo(2);
    assertThat(old).hasContent("old and longer than what the screen shows");
    assertThat(run(shown + guest).status()).isEqualTo(33);
    assertThat(Files.readString(old)).doesNotContain("old");
    assertThat(run("-vga std --screenshot /dev/null --trace /dev/null " + guest).status())
        .isEqualTo(2);
  }
}
