package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.format.JsonLinesReader;
import dev.vesper.machine.spec.Outcome;
import java.io.File;
import java.io.InputStream;
import java.io.Reader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What ends a run besides its guest: signals, pipes that nobody reads, full disks. */
final class EndOfRunTest {
  private static final Path FULL = Path.of("/dev/full");

  @TempDir Path dir;

  private ProcessBuilder vesper(String... args) {
    List<String> c =
        OwnJvm.command(List.of("--enable-native-access=ALL-UNNAMED"), Main.class, args);
    return new ProcessBuilder(c)
        .directory(dir.toFile())
        .redirectInput(new File("/dev/null"))
        .redirectError(file("err").toFile());
  }

  private Path file(String name) {
    return dir.resolve(name);
  }

  private long size(String name) throws Exception {
    return Files.exists(file(name)) ? Files.size(file(name)) : 0;
  }

  private String text(String name) throws Exception {
    return Files.readString(file(name), StandardCharsets.ISO_8859_1);
  }

  // ---- signals

  private Process linux() throws Exception {
    Files.write(file("vmlinuz"), DebianKernel.image());
    return vesper(
            "run",
            "vmlinuz",
            "-append",
            "console=ttyS0",
            "--check",
            "--report=r.sarif,r.md",
            "--trace=t.jsonl,t.html,t.txt,t.pcapng,t.jsonl.gz",
            "-d",
            "int",
            "-D",
            "items",
            "--timeout=100")
        .redirectOutput(file("out").toFile())
        .start();
  }

  private static void send(Process p, String signal) throws Exception {
    assertThat(new ProcessBuilder("kill", "-" + signal, "" + p.pid()).start().waitFor()).isZero();
  }

  /** {@return whether this process has been started to ignore a signal, as by nohup} */
  static boolean ignored(int signal) throws Exception {
    String mask =
        Files.readAllLines(Path.of("/proc/self/status")).stream()
            .filter(l -> l.startsWith("SigIgn:"))
            .findFirst()
            .orElse("SigIgn:\t0");
    return (Long.parseUnsignedLong(mask.substring(8).trim(), 16) >> signal - 1 & 1) != 0;
  }

  /** {@return a signal that this process has not been started with to be ignored} */
  private static String interrupt() throws Exception {
    return ignored(2) ? "TERM" : "INT";
  }

  @ParameterizedTest
  @CsvSource({"TERM, 143", "HUP, 129"})
  void aSignalEndsTheRunByNameAndAllFilesAreComplete(String signal, int status) throws Exception {
    assumeFalse(ignored(status - 128), "SIG" + signal + " is ignored here, and so by all children");
    Process p = linux();
    while (p.isAlive() && size("t.jsonl") < 1 << 17) {
      Thread.sleep(20);
    }
    send(p, signal);
    assertThat(p.waitFor()).as(text("err")).isEqualTo(status);
    assertThat(text("err")).contains("vesper: SIG" + signal + " has ended the run");
    assertComplete(status);
    assertThat(Files.size(file("t.jsonl"))).isGreaterThan(1 << 17);
  }

  @Test
  void atWhateverMomentItComesNoFileIsHalfWritten() throws Exception {
    String signal = interrupt();
    int status = signal.equals("INT") ? 130 : 143;
    Random r = new Random(11);
    int moments = Boolean.getBoolean("long") ? 30 : 5;
    for (int i = 0; i < moments; i++) {
      for (String f :
          List.of(
              "t.jsonl", "t.html", "t.txt", "t.pcapng", "t.jsonl.gz", "items", "r.sarif", "r.md")) {
        Files.deleteIfExists(file(f));
      }
      Process p = linux();
      Thread.sleep(r.nextInt(4000));
      send(p, signal);
      int ended = p.waitFor();
      // A process that has hardly begun is the JVM's, whose status may be another, and has made
      // nothing.
      if (Files.exists(file("t.jsonl"))) {
        assertThat(ended).as(text("err")).isEqualTo(status);
        assertComplete(status);
      }
      assertThat(ended).as(text("err")).isNotZero();
    }
  }

  private void assertComplete(int status) throws Exception {
    List<Event> events = new ArrayList<>();
    try (Reader in = Files.newBufferedReader(file("t.jsonl"))) {
      assertThat(JsonLinesReader.read(in, events::add)).isEmpty();
    }
    assertThat(((Event.Ended) events.getLast()).status()).isEqualTo(status);
    try (InputStream in = new GZIPInputStream(Files.newInputStream(file("t.jsonl.gz")))) {
      assertThat(in.readAllBytes()).isEqualTo(Files.readAllBytes(file("t.jsonl")));
    }
    assertThat(text("t.txt")).endsWith("\n").contains("status " + status);
    assertThat(text("t.html")).endsWith("</html>\n");
    // The last record has its last line.
    String log = text("items");
    assertThat(log.isEmpty() || log.substring(log.lastIndexOf("v=")).contains("\nEFER=")).isTrue();
    assertThat(log.isEmpty() || log.endsWith("\n")).isTrue();
    assertThat(text("r.sarif")).endsWith("}\n").contains("\"results\"");
    assertThat(text("r.md")).endsWith("\n");
    ByteBuffer b =
        ByteBuffer.wrap(Files.readAllBytes(file("t.pcapng"))).order(ByteOrder.LITTLE_ENDIAN);
    while (b.hasRemaining()) {
      int length = b.getInt(b.position() + 4);
      assertThat(b.getInt(b.position() + length - 4)).isEqualTo(length);
      b.position(b.position() + length);
    }
  }

  @Test
  void aSecondSignalEndsTheProcessAtOnce() throws Exception {
    // Whoever reads the trace has stopped reading, so that the first one has to wait a little.
    assertThat(new ProcessBuilder("mkfifo", file("p.jsonl").toString()).start().waitFor()).isZero();
    Process reader =
        new ProcessBuilder("sh", "-c", "exec 3<p.jsonl; sleep 100").directory(dir.toFile()).start();
    try {
      Files.write(file("vmlinuz"), DebianKernel.image());
      Process p =
          vesper("run", "vmlinuz", "--trace=p.jsonl", "--timeout=100", "-v")
              .redirectOutput(file("out").toFile())
              .start();
      while (p.isAlive() && !text("err").contains("vc ")) {
        Thread.sleep(20);
      }
      send(p, "TERM");
      send(p, "TERM");
      assertThat(p.waitFor()).isEqualTo(143);
    } finally {
      reader.destroy();
    }
  }

  // ---- outputs that take no more

  private int run(String... args) throws Exception {
    return vesper(args).redirectOutput(file("out").toFile()).start().waitFor();
  }

  private static void needsFull() {
    Assumptions.assumeTrue(Files.exists(FULL), "/dev/full is Linux's");
  }

  @Test
  void aPipeThatNobodyReadsEndsTheRunAsSigpipeWould() throws Exception {
    Process p = vesper("run", "--trace=t.jsonl", "--timeout=100").start();
    try (InputStream in = p.getInputStream()) {
      assertThat(in.read()).isEqualTo('l');
    }
    assertThat(p.waitFor()).isEqualTo(141);
    assertThat(text("err").lines())
        .containsExactly("vesper: cannot write the console to stdout: Broken pipe");
    assertThat(text("t.jsonl").lines().toList().getLast()).contains("\"status\":\"141\"");
  }

  @Test
  void aConsoleThatIsFullEndsTheRunWithItsName() throws Exception {
    needsFull();
    int status =
        vesper("run", "--trace=t.jsonl", "--timeout=100")
            .redirectOutput(FULL.toFile())
            .start()
            .waitFor();
    assertThat(status).isEqualTo(Outcome.UNWRITTEN);
    assertThat(text("err").lines())
        .containsExactly("vesper: cannot write the console to stdout: No space left on device");
    assertThat(text("t.jsonl").lines().toList().getLast()).contains("\"status\":\"122\"");
  }

  @ParameterizedTest
  @ValueSource(strings = {"-serial=file:/dev/full", "--virtio-console=file:/dev/full"})
  void aFileOfTheConsoleIsNamed(String option) throws Exception {
    needsFull();
    // The reference guest has no virtio console: what is not written cannot fail.
    boolean used = option.startsWith("-serial");
    assertThat(run("run", option, "--timeout=100")).isEqualTo(used ? Outcome.UNWRITTEN : 0);
    if (used) {
      assertThat(text("err"))
          .isEqualTo("vesper: cannot write /dev/full: No space left on device\n");
    }
  }

  @Test
  void aFullLogIsNamedAndEndsTheRun() throws Exception {
    needsFull();
    assertThat(run("run", "-d", "int", "-D", "/dev/full", "--trace=t.jsonl", "--timeout=100"))
        .isEqualTo(Outcome.UNWRITTEN);
    assertThat(text("err")).isEqualTo("vesper: cannot write /dev/full: No space left on device\n");
    assertThat(text("t.jsonl").lines().toList().getLast()).contains("\"status\":\"122\"");
  }

  /** One trace that is full does not take the others with it. */
  @ParameterizedTest
  @ValueSource(strings = {"jsonl", "jsonl.gz", "html", "txt", "pcapng", "perfetto"})
  void aFullTraceIsNamedAndTheOthersHaveTheirEnd(String form) throws Exception {
    needsFull();
    Files.createSymbolicLink(file("f." + form), FULL);
    int status =
        run("run", "--check", "--report=r.md", "--trace=f." + form + ",t.jsonl", "--timeout=100");
    assertThat(status).as(text("err")).isEqualTo(Outcome.UNWRITTEN);
    assertThat(text("err"))
        .contains("vesper: cannot write f." + form + ": No space left on device\n")
        .doesNotContain("\tat ");
    assertThat(text("t.jsonl").lines().toList().getLast()).contains("\"kind\":\"end\"");
    assertThat(text("r.md")).endsWith("\n");
  }

  @Test
  void aFullReportIsNamedAndTheOthersAreWritten() throws Exception {
    needsFull();
    Files.createSymbolicLink(file("f.md"), FULL);
    assertThat(run("run", "--check", "--report=f.md,r.md", "--timeout=100"))
        .isEqualTo(Outcome.UNWRITTEN);
    assertThat(text("err")).contains("vesper: cannot write f.md: No space left on device\n");
  }

  @ParameterizedTest
  @ValueSource(strings = {"isa", "check --rules", "run --help", "--version"})
  void aResultThatCannotBeWrittenIsNoSuccess(String line) throws Exception {
    needsFull();
    int status = vesper(line.split(" ")).redirectOutput(FULL.toFile()).start().waitFor();
    assertThat(status).isEqualTo(Outcome.UNWRITTEN);
    assertThat(text("err").lines())
        .containsExactly("vesper: cannot write the result to stdout: No space left on device");
  }

  @Test
  void aResultThatNobodyReadsEndsQuietly() throws Exception {
    Process p = vesper("isa").start();
    try (InputStream in = p.getInputStream()) {
      assertThat(in.read()).isEqualTo('m');
    }
    assertThat(p.waitFor()).isEqualTo(141);
    assertThat(text("err")).isEmpty();
  }
}
