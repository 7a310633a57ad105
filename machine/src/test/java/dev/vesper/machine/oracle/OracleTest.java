package dev.vesper.machine.oracle;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.cpu.emit.VerifiedEmission;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.Map;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Recorded results of a real CPU. */
@ParameterizedClass
@ValueSource(ints = {Execution.STANDARD, Execution.NATIVE})
@ExtendWith(VerifiedEmission.class)
final class OracleTest {
  @Parameter int execution;

  private static final Map<String, List<String>> GROUPS =
      Map.of(
          "int",
          List.of("alu", "shift", "muldiv", "bit", "bmi", "mov", "string", "branch", "seq"),
          "int32",
          List.of(
              "alu32",
              "shift32",
              "muldiv32",
              "bit32",
              "mov32",
              "string32",
              "branch32",
              "seq32",
              "legacy32"),
          "int16",
          List.of("alu16", "shift16", "bit16", "mov16", "string16", "branch16"),
          "except",
          List.of("except", "fuzz", "fuzz32"),
          "sse",
          List.of("sse2", "sse34", "sse_approx"),
          "x87",
          List.of("x87", "x87_trans", "mmx"),
          "avx",
          List.of("avx", "fma"));

  @ParameterizedTest
  @ValueSource(strings = {"open-1", "seed-a"})
  void resultsEqualThoseOfTheCpu(String set) throws IOException {
    OracleReplay o = OracleReplay.ofEverything(execution);
    try (InputStream in =
        OracleTest.class.getResourceAsStream("/dev/vesper/machine/oracle/" + set + ".jsonl.gz")) {
      o.runAll(new GZIPInputStream(in));
    }
    GROUPS.forEach(
        (group, cats) -> {
          int pass = cats.stream().mapToInt(c -> o.results.getOrDefault(c, new int[3])[0]).sum();
          int fail = cats.stream().mapToInt(c -> o.results.getOrDefault(c, new int[3])[1]).sum();
          System.out.printf("oracle %s %-6s pass=%d fail=%d%n", set, group, pass, fail);
          assertThat(pass).as("cases of %s", group).isGreaterThan(700);
          assertThat(fail)
              .as("failures of %s: %s", group, o.failures)
              .isLessThanOrEqualTo(pass / 500);
        });
    // What fails is known one by one; a new difference must not hide in a percentage.
    assertThat(o.failures).hasSizeLessThanOrEqualTo(3);
  }

  @ParameterizedTest
  @ValueSource(strings = {"vector-more", "avx512"})
  void vectorInstructionsWithNoSseForm(String set) throws IOException {
    OracleReplay o = OracleReplay.ofEverything(execution);
    try (InputStream in =
        OracleTest.class.getResourceAsStream("/dev/vesper/machine/oracle/" + set + ".jsonl.gz")) {
      o.runAll(new GZIPInputStream(in));
    }
    assertThat(o.failures).isEmpty();
    assertThat(o.results.values().stream().mapToInt(r -> r[0]).sum()).isGreaterThan(2000);
  }
}
