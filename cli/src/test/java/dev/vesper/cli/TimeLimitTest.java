package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.spec.Outcome;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A command ends in its time, or when it is told to, whoever holds it up. */
final class TimeLimitTest {
  private static final long GRACE = TimeUnit.MILLISECONDS.toNanos(900);

  /** How long a test waits for what must come; a computer may have much else to do. */
  private static final long PATIENCE_SECONDS = 120;

  private static final int TERMINATED = 128 + 15;

  private static final String PRINTS = "mov dx, 0x3f8\nL: mov al, 65\nout dx, al\njmp short L";

  @TempDir Path dir;

  @Test
  void whatDoesNotEndIsEndedAndNotBeforeItsTime() throws Exception {
    CompletableFuture<Integer> halted = new CompletableFuture<>();
    long end = System.nanoTime();
    try (TimeLimit t =
        new TimeLimit(
            end,
            status -> {
              assertThat(System.nanoTime() - end).isGreaterThanOrEqualTo(GRACE);
              halted.complete(status);
            })) {
      assertThat(halted.get(PATIENCE_SECONDS, TimeUnit.SECONDS)).isEqualTo(Outcome.LIMIT);
      t.ended(0);
    }
  }

  @Test
  void whatHasEndedMayWrite() throws Exception {
    CompletableFuture<Integer> halted = new CompletableFuture<>();
    long end = System.nanoTime();
    try (TimeLimit t = new TimeLimit(end, halted::complete)) {
      t.ended(0);
      while (System.nanoTime() - end < GRACE + GRACE / 2) {
        Thread.sleep(50);
      }
    }
    assertThat(halted).isNotDone();
  }

  @Test
  void withoutALimitNobodyWatches() throws Exception {
    try (TimeLimit t = new TimeLimit(Long.MAX_VALUE, status -> {})) {
      assertThat(Thread.getAllStackTraces().keySet())
          .noneMatch(w -> w.isAlive() && w.getName().startsWith("time limit"));
      t.ended(0);
    }
  }

  /** Starts a command whose outputs are pipes that nobody reads. */
  private Process start(String source, String... options) throws IOException {
    Path image = Files.write(dir.resolve("guest.elf"), FlatGuest.image(source));
    List<String> c =
        OwnJvm.command(
            List.of("--enable-native-access=ALL-UNNAMED"),
            Main.class,
            "run",
            "--sev",
            "off",
            "-m",
            "16M");
    c.addAll(List.of(options));
    c.add(image.toString());
    return new ProcessBuilder(c).start();
  }

  private static void ends(Process p, int status) throws InterruptedException {
    try {
      assertThat(p.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)).as("it ends").isTrue();
      assertThat(p.exitValue()).isEqualTo(status);
    } finally {
      p.destroyForcibly();
    }
  }

  /** Pipes that are full, with everything that a guest can write to. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {"-serial stdio", "-serial none -v --intercept rdtsc", "-serial stdio -v --json"})
  void nobodyReads(String options) throws Exception {
    List<String> o = new ArrayList<>(List.of(options.split(" ")));
    o.addAll(List.of("--timeout", "1"));
    ends(start(PRINTS.replace("jmp", "rdtsc\nin al, 0x60\njmp"), o.toArray(String[]::new)), 124);
  }

  /** The pipe is full when the machine has ended in its time, and something is left to be said. */
  @Test
  void nobodyReadsTheEnd() throws Exception {
    String source =
        "mov dx, 0x402\nmov ecx, 65536\nmov al, 46\nL: out dx, al\nloop L\nE: jmp short E";
    ends(start(source, "-serial", "none", "-M", "pc", "--timeout", "2"), 124);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "mov dx, 0x3f8\nmov al, 65\nout dx, al\nL: jmp short L",
        "mov dx, 0x3f8\nmov al, 65\nout dx, al\nL: sti\nhlt\njmp short L",
        PRINTS
      })
  void whoeverIsToldToEndEnds(String source) throws Exception {
    assumeTrue(System.getProperty("os.name").equals("Linux"));
    Process p = start(source);
    // It runs.
    assertThat(p.getInputStream().read()).isEqualTo('A');
    // Process.destroy would close its pipes too, which ends it otherwise.
    new ProcessBuilder("kill", "-TERM", "" + p.pid()).start().waitFor();
    ends(p, TERMINATED);
  }
}
