package dev.vesper.machine;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.Locore;
import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.cpu.emit.VerifiedEmission;
import dev.vesper.machine.observe.format.JsonLinesWriter;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Edges are the guest's: whatever executes its code and wherever it stands still, it takes these.
 */
@ExtendWith(VerifiedEmission.class)
final class EdgeCoverageTest {
  private static final int PASSED = Locore.PASS << 1 | 1;
  private static final int INTERPRETED = 0;

  private static Machine machine(SevMode mode, int execution) throws Exception {
    Machine m =
        new Machine(
            MachineSpec.builder(mode, Locore.image(), b -> {})
                .memoryBytes(64L << 20)
                .processors(2)
                .cpuModel(mode == SevMode.SNP ? "EPYC-Milan" : "vesper-min,+xsave")
                .build());
    Execution.choose(m, execution);
    return m;
  }

  private static EdgeCoverage covered(Machine m) {
    EdgeCoverage c = new EdgeCoverage();
    m.coverage(c);
    return c;
  }

  private static int edges(byte[] map) {
    int n = 0;
    for (byte b : map) {
      n += b == 0 ? 0 : 1;
    }
    return n;
  }

  private static byte[] whole(SevMode mode) throws Exception {
    try (Machine m = machine(mode, INTERPRETED)) {
      EdgeCoverage c = covered(m);
      assertThat(m.run().status()).isEqualTo(PASSED);
      return c.bytes();
    }
  }

  @ParameterizedTest
  @CsvSource({"ES, 2", "ES, -1", "SNP, -1"})
  void everyTranslatorGivesTheSameMap(SevMode mode, int execution) throws Exception {
    byte[] whole = whole(mode);
    assertThat(edges(whole)).isGreaterThan(300);
    try (Machine m = machine(mode, execution)) {
      EdgeCoverage c = covered(m);
      assertThat(m.run().status()).isEqualTo(PASSED);
      assertThat(c.bytes()).isEqualTo(whole);
    }
  }

  @ParameterizedTest
  @CsvSource({"ES, 2", "SNP, -1"})
  void pausesAndBreakpointsAddNoEdges(SevMode mode, int execution) throws Exception {
    byte[] whole = whole(mode);
    Random random = new Random(3);
    try (Machine m = machine(mode, execution)) {
      EdgeCoverage c = covered(m);
      long at = 0;
      while (!(m.run(Until.instructions(at)) instanceof Stop.Ended)) {
        VcpuView v = m.observer().vcpu(random.nextInt(2));
        try (Registration here = m.breakpoint(v.rip() + random.nextInt(30))) {
          m.run(Until.instructions(m.instructions() + random.nextInt(2000)));
        }
        for (int i = random.nextInt(6); i > 0; i--) {
          m.step(0);
        }
        at = m.instructions() + 1 + random.nextInt(20_000);
      }
      assertThat(c.bytes()).isEqualTo(whole);
    }
  }

  @ParameterizedTest
  @CsvSource({"ES, 0", "ES, 2", "SNP, -1"})
  void whoGoesBackTakesTheSameEdgesAgain(SevMode mode, int execution) throws Exception {
    try (Machine m = machine(mode, execution)) {
      EdgeCoverage c = covered(m);
      m.run(Until.instructions(30_001));
      try (Checkpoint here = m.checkpoint()) {
        c.clear();
        m.run(Until.instructions(90_000));
        byte[] first = c.bytes();
        m.run(Until.instructions(100_003));
        for (int i = 0; i < 3; i++) {
          m.restore(here);
          c.clear();
          m.run(Until.instructions(90_000));
          assertThat(c.bytes()).isEqualTo(first);
        }
      }
    }
  }

  private static String traced(SevMode mode, int execution, boolean counts) throws Exception {
    ByteArrayOutputStream text = new ByteArrayOutputStream();
    try (Machine m = machine(mode, execution);
        JsonLinesWriter w = new JsonLinesWriter(text)) {
      m.trace(w, true);
      if (counts) {
        covered(m);
      }
      assertThat(m.run().status()).isEqualTo(PASSED);
      return m.stateHash() + m.instructions() + text.toString(UTF_8);
    }
  }

  @ParameterizedTest
  @CsvSource({"ES, 2", "ES, -1", "SNP, -1"})
  void traceAndHashAreThoseOfARunThatIsNotCounted(SevMode mode, int execution) throws Exception {
    assertThat(traced(mode, execution, true).equals(traced(mode, execution, false))).isTrue();
  }

  @ParameterizedTest
  @CsvSource({"ES, 0", "ES, 2", "ES, -1"})
  void countingBeginsAndEndsAtAnyPause(SevMode mode, int execution) throws Exception {
    byte[][] maps = new byte[2][];
    for (int i = 0; i < 2; i++) {
      try (Machine m = machine(mode, i == 0 ? INTERPRETED : execution)) {
        m.run(Until.instructions(100_000));
        EdgeCoverage c = covered(m);
        m.run(Until.instructions(300_000));
        m.coverage(null);
        assertThat(m.run().status()).isEqualTo(PASSED);
        maps[i] = c.bytes();
      }
    }
    assertThat(edges(maps[0])).isPositive();
    assertThat(maps[1]).isEqualTo(maps[0]);
  }

  @Test
  void countsStopAtTheMostAndFallIntoTheClassesOfAfl() throws Exception {
    EdgeCoverage c = new EdgeCoverage();
    try (Machine m = machine(SevMode.ES, INTERPRETED)) {
      m.coverage(c);
      m.run();
    }
    byte[] counts = c.bytes();
    byte[] classes = c.bucketed();
    int[] seen = new int[256];
    for (int i = 0; i < counts.length; i++) {
      seen[counts[i] & 0xFF]++;
      int n = counts[i] & 0xFF;
      int expected =
          n >= 128 ? 128 : n >= 32 ? 64 : n >= 16 ? 32 : n >= 8 ? 16 : n >= 4 ? 8 : n == 3 ? 4 : n;
      assertThat(classes[i] & 0xFF).isEqualTo(expected);
    }
    assertThat(seen[255]).as("edges of loops").isPositive();
    assertThat(seen[1]).isPositive();
    c.clear();
    assertThat(edges(c.bytes())).isZero();
    byte[] copy = new byte[EdgeCoverage.SIZE];
    copy[7] = 1;
    c.copyTo(copy);
    assertThat(edges(copy)).isZero();
  }
}
