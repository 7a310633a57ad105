package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.spec.Outcome;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What becomes of a recording: it is replayed, or a line says why it is not. */
final class ReplayCommandTest {
  /** Counts while it waits, and ends with what it has counted when a line's end is typed. */
  private static final String GUEST =
      """
          mov esp, 0x180000
      wait:
          inc ebx
          mov edx, 0x3fd
          in al, dx
          test al, 1
          jz wait
          mov edx, 0x3f8
          in al, dx
          out dx, al
          cmp al, 10
          jne wait
          mov [0x190000], ebx
          mov al, 0x22
          out 0xf4, al
      """;

  private static final int STATUS = 0x22 << 1 | 1;
  private static final int HEAD = 16;
  private static final boolean LONG = Boolean.getBoolean("long");

  @TempDir static Path dir;

  private static byte[] recorded = {};
  private static String trace = "";

  /** Records a run whose input comes when it comes. */
  @BeforeAll
  static void record() throws IOException, InterruptedException {
    Files.write(dir.resolve("guest.bin"), FlatGuest.image(GUEST));
    Process p =
        new ProcessBuilder(
                OwnJvm.command(
                    List.of("--enable-native-access=ALL-UNNAMED"),
                    Main.class,
                    "run",
                    "guest.bin",
                    "--sev",
                    "off",
                    "-m",
                    "64M",
                    "--limit-insns",
                    "200M",
                    "--record",
                    "run.rec",
                    "--trace",
                    "run.jsonl"))
            .directory(dir.toFile())
            .redirectError(dir.resolve("err").toFile())
            .start();
    try (OutputStream in = p.getOutputStream()) {
      for (byte b : "typed\n".getBytes(StandardCharsets.US_ASCII)) {
        in.write(b);
        in.flush();
        Thread.sleep(2);
      }
    }
    assertThat(new String(p.getInputStream().readAllBytes(), StandardCharsets.US_ASCII))
        .as(Files.readString(dir.resolve("err")))
        .isEqualTo("typed\n");
    assertThat(p.waitFor(2, TimeUnit.MINUTES)).isTrue();
    assertThat(p.exitValue()).isEqualTo(STATUS);
    recorded = Files.readAllBytes(dir.resolve("run.rec"));
    trace = Files.readString(dir.resolve("run.jsonl"));
  }

  private static CommandResult replay(byte[] file, String... more) throws IOException {
    Path p = dir.resolve("some.rec");
    Files.write(p, file);
    String[] words =
        Stream.concat(
                Stream.of("replay", p.toString(), "-serial", "none", "--code-cache", "off"),
                Arrays.stream(more))
            .toArray(String[]::new);
    return CommandResult.of(words);
  }

  private static Map<String, String> files() throws IOException {
    Map<String, String> all = new TreeMap<>();
    try (Stream<Path> s = Files.list(dir)) {
      for (Path p : s.filter(x -> !x.endsWith("some.rec")).toList()) {
        all.put(p.getFileName().toString(), Files.size(p) + " " + Files.getLastModifiedTime(p));
      }
    }
    return all;
  }

  /** One line on stderr, a status that is documented, and nothing of Java's. */
  private static void assertRefused(CommandResult r, String what) {
    assertThat(r.status()).as(what).isEqualTo(Outcome.USAGE);
    assertThat(r.err().lines()).as(what).hasSize(1);
    assertThat(r.err()).as(what).startsWith("vesper: ").doesNotContain("Exception");
    assertThat(r.out()).as(what).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({"native", "regions", "none"})
  void theRunIsTheSameAgain(String translator) throws IOException {
    Path again = dir.resolve(translator + ".jsonl");
    CommandResult r = replay(recorded, "--translator", translator, "--trace", again.toString());
    assertThat(r.status()).as(r.err()).isEqualTo(STATUS);
    assertThat(r.err()).contains("the replay is the recorded run");
    assertThat(Files.readString(again)).isEqualTo(trace);
    Files.delete(again);
  }

  @Test
  void aTruncatedRecordingIsReplayedAsFarAsItGoesOrRefused() throws IOException {
    Map<String, String> before = files();
    int replayed = 0;
    for (int n = 0; n < recorded.length; n += LONG ? 1 : 29) {
      CommandResult r = replay(Arrays.copyOf(recorded, n));
      if (r.status() == Outcome.USAGE) {
        assertRefused(r, n + " bytes");
        continue;
      }
      replayed++;
      assertThat(r.status()).as(n + " bytes").isEqualTo(Outcome.LIMIT);
      assertThat(r.err()).contains("the recording has no end").contains("the recording ends here");
    }
    assertThat(replayed).isPositive();
    assertThat(files()).isEqualTo(before);
  }

  @Test
  void aDamagedRecordingIsRefused() throws IOException {
    Map<String, String> before = files();
    Random random = new Random(7);
    for (int i = 0; i < (LONG ? 5_000 : 500); i++) {
      byte[] b = recorded.clone();
      for (int k = random.nextInt(3); k >= 0; k--) {
        b[random.nextInt(b.length)] ^= (byte) (1 + random.nextInt(255));
      }
      CommandResult r = replay(b);
      // A length that has become too large is as if the rest were missing.
      if (r.status() != Outcome.LIMIT) {
        assertRefused(r, "mutant " + i);
      }
    }
    assertThat(files()).isEqualTo(before);
  }

  /** {@return the file with its sums made anew, so that what is in it is believed} */
  private static byte[] signed(byte[] file) {
    CRC32C sum = new CRC32C();
    int at = HEAD;
    int length = word(file, 12);
    int summed = 0;
    while (length >= 0 && length <= file.length - at - 4) {
      at += length;
      sum.update(file, summed, at - summed);
      for (int i = 0; i < 4; i++) {
        file[at + i] = (byte) (sum.getValue() >> 8 * i);
      }
      sum.update(file, at, 4);
      at += 4;
      summed = at;
      length = 0;
      int shift = 0;
      while (at < file.length && file[at] < 0 && shift < 21) {
        length |= (file[at++] & 0x7F) << shift;
        shift += 7;
      }
      if (at == file.length) {
        break;
      }
      length |= (file[at++] & 0x7F) << shift;
    }
    return file;
  }

  private static int word(byte[] b, int at) {
    return b[at] & 0xFF | (b[at + 1] & 0xFF) << 8 | (b[at + 2] & 0xFF) << 16 | b[at + 3] << 24;
  }

  @Test
  void whateverARecordingSaysNothingOfJavaIsSeenAndNoFileIsTouched() throws IOException {
    assertThat(signed(recorded.clone())).isEqualTo(recorded);
    Map<String, String> before = files();
    Random random = new Random(8);
    int header = word(recorded, 12) + HEAD;
    for (int i = 0; i < (LONG ? 1_500 : 60); i++) {
      byte[] b = recorded.clone();
      // Headers are looked at without a run, so that more of them can be.
      int from = i % 3 == 0 ? header : HEAD;
      int to = i % 3 == 0 ? b.length : header;
      b[from + random.nextInt(to - from)] ^= (byte) (1 << random.nextInt(7));
      CommandResult r = replay(signed(b), "--timeout", "20");
      assertThat(r.err()).as("mutant " + i).doesNotContain("Exception").doesNotContain("defect");
      assertThat(r.status())
          .as("mutant " + i + ": " + r.err())
          .isIn(Outcome.USAGE, Outcome.LIMIT, Outcome.DIFFERS, STATUS, 0, 5, 6);
    }
    assertThat(files()).isEqualTo(before);
  }

  private static byte[] header(String from, String to) {
    String text = new String(recorded, HEAD, word(recorded, 12), StandardCharsets.UTF_8);
    assertThat(text).contains(from);
    byte[] now = text.replace(from, to).getBytes(StandardCharsets.UTF_8);
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    b.write(recorded, 0, 12);
    for (int i = 0; i < 4; i++) {
      b.write(now.length >> 8 * i);
    }
    b.writeBytes(now);
    b.write(recorded, HEAD + word(recorded, 12), recorded.length - HEAD - word(recorded, 12));
    return signed(b.toByteArray());
  }

  @Test
  void aRecordingNamesNoFileThatIsWritten() throws IOException {
    for (String option : List.of("--trace=x.jsonl", "-serial=file:x", "--screenshot=x.png")) {
      CommandResult r = replay(header("\"-m=64M\"", "\"-m=64M\",\"" + option + "\""));
      assertRefused(r, option);
      assertThat(r.err()).contains("a machine has no option " + option.split("=")[0]);
    }
  }

  @Test
  void otherFilesAndOptionsAreNamed() throws IOException {
    Path other = dir.resolve("other.bin");
    Files.write(other, FlatGuest.image(GUEST.replace("mov esp, 0x180000", "mov esp, 0x170000")));
    CommandResult r = replay(recorded, "-kernel", other.toString());
    assertRefused(r, "kernel");
    assertThat(r.err()).contains("other.bin is not the file of the recording: SHA-256 ");
    r = replay(recorded, "-m", "128M");
    assertRefused(r, "memory");
    assertThat(r.err()).contains("-m is the recording's: it has -m=64M");
    // That it is named anew is no change.
    Files.copy(dir.resolve("guest.bin"), dir.resolve("moved.bin"));
    r = replay(recorded, "-kernel", dir.resolve("moved.bin").toString(), "-m", "64M");
    assertThat(r.status()).as(r.err()).isEqualTo(STATUS);
    Files.delete(other);
    Files.delete(dir.resolve("moved.bin"));
  }

  @Test
  void aReplayOfAnotherKernelSaysWhereItDiffersFirst() throws IOException {
    Path other = dir.resolve("other.bin");
    Files.write(other, FlatGuest.image(GUEST.replace("inc ebx", "inc ebx\n    nop")));
    CommandResult r = replay(recorded, "-kernel", other.toString(), "--changed");
    assertThat(r.status()).as(r.err()).isEqualTo(Outcome.DIFFERS);
    assertThat(r.err())
        .contains("is not the file of the recording")
        .contains("the replay differs from the recording, first at instruction ")
        .contains("vCPU 0");
    Files.delete(other);
  }

  @Test
  void newerAndForeignFilesAreRefused() throws IOException {
    byte[] newer = recorded.clone();
    newer[8] = 3;
    assertRefused(replay(signed(newer)), "newer");
    assertThat(replay(signed(newer)).err()).contains("is a recording of format 3");
    assertThat(replay("#!/bin/sh\n".getBytes(StandardCharsets.US_ASCII)).err())
        .contains("is no recording");
    assertRefused(CommandResult.of("replay"), "no name");
    assertRefused(CommandResult.of("replay", dir.toString()), "a folder");
  }

  @Test
  void whatARecordingCannotHaveIsRefusedByName() {
    String guest = dir.resolve("guest.bin").toString();
    String file = dir.resolve("x.rec").toString();
    CommandResult r =
        CommandResult.of("run", guest, "--record", file, "--share", "path=" + dir + ",tag=t");
    assertRefused(r, "share");
    assertThat(r.err()).contains("--record and --share");
    r = CommandResult.of("run", guest, "--record", file, "-drive", "file=" + guest);
    assertRefused(r, "drive");
    assertThat(r.err()).contains("add -snapshot");
    assertThat(dir.resolve("x.rec")).doesNotExist();
  }

  @Test
  void eachOptionOfARunIsTheMachinesOrOfThoseWhoLookOn() {
    Options o = new RunCommand(null).options();
    assertThat(o.names().keySet())
        .allSatisfy(
            n -> {
              List<String> all = o.aliases(n);
              String first = all.isEmpty() ? n : all.get(0);
              // What stands for itself is the image, or a replay's recording.
              assertThat(RecordedOptions.has(first) || first.isEmpty())
                  .as(first)
                  .isNotEqualTo(RecordedOptions.isOfThoseWhoLook(first));
            });
  }
}
