package dev.vesper.machine.oracle;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.InstructionSet;
import dev.vesper.x86.Decoder;
import dev.vesper.x86.Insn;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;

/** The list of recorded cases by instruction form that {@code vesper isa} shows. */
final class RecordedCasesTest {
  private static final String HEADER =
      "# Recorded cases of real processors by form of the opcode table: mnemonic, operands,"
          + " encoding, cases that contain it.\n"
          + "# Written by RecordedCasesTest with -Disa.write=FILE; the test fails where this"
          + " differs from the recordings.\n";

  private static String count() throws IOException {
    Map<String, Integer> cases = new TreeMap<>();
    for (String set :
        List.of("open-1", "seed-a", "vector-more", "avx512", "milan", "milan-steps")) {
      try (var in =
              RecordedCasesTest.class.getResourceAsStream(
                  "/dev/vesper/machine/oracle/" + set + ".jsonl.gz");
          var lines =
              new BufferedReader(
                  new InputStreamReader(new GZIPInputStream(in), StandardCharsets.UTF_8))) {
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
          add(cases, line);
        }
      }
    }
    StringBuilder s = new StringBuilder(HEADER);
    cases.forEach((k, n) -> s.append(k).append(' ').append(n).append('\n'));
    return s.toString();
  }

  private static void add(Map<String, Integer> cases, String line) {
    int bits = Integer.parseInt(line.replaceAll(".*?\"mode\":(\\d+).*", "$1"));
    byte[] code = HexFormat.of().parseHex(line.replaceAll(".*?\"code\":\"([0-9a-f]*)\".*", "$1"));
    Set<String> found = new HashSet<>();
    int at = 0;
    while (at < code.length) {
      Insn in = new Insn();
      if (Decoder.decode(code, at, code.length, bits, in) != Decoder.Outcome.OK) {
        break;
      }
      found.add(InstructionSet.key(in.form()));
      at += in.length;
    }
    found.forEach(k -> cases.merge(k, 1, Integer::sum));
  }

  @Test
  void listIsThatOfTheRecordings() throws IOException {
    String counted = count();
    String file = System.getProperty("isa.write");
    if (file != null) {
      Files.writeString(Path.of(file), counted);
    }
    try (var in = InstructionSet.class.getResourceAsStream("recorded-cases.txt")) {
      assertThat(new String(in.readAllBytes(), StandardCharsets.UTF_8)).isEqualTo(counted);
    }
  }

  @Test
  void everyFormIsExecuted() {
    assertThat(InstructionSet.forms())
        .filteredOn(f -> !f.state().equals("done"))
        .as("forms that end the run by name, or that no processor here has")
        .isEmpty();
    assertThat(InstructionSet.forms().stream().filter(f -> f.cases() > 0)).hasSizeGreaterThan(1000);
  }
}
