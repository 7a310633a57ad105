package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Finding;
import dev.vesper.machine.observe.check.Reports;
import dev.vesper.machine.observe.check.Rule;
import dev.vesper.machine.observe.check.Verdict;
import dev.vesper.machine.observe.format.JsonLinesReader;
import dev.vesper.machine.observe.format.JsonLinesWriter;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Whatever guests, hosts and files do, the checker judges or refuses; it never fails. */
@Tag("slow")
final class CheckerFuzzTest {
  private static List<Finding> check(MachineSpec o, long limit) throws BootException {
    Machine m = new Machine(o);
    Checker c = new Checker();
    m.trace(c::accept, true);
    m.limit(limit, Long.MAX_VALUE);
    assertThat(m.run().status()).isNotEqualTo(125);
    Verdict v = Verdict.of(c, Set.of(), Set.of());
    for (Reports r : Reports.values()) {
      assertThat(r.write(v)).isNotEmpty();
    }
    return c.findings();
  }

  /** #VC with any error code at any instruction that the host gets to choose. */
  @Test
  void injectedExceptionsAreNamed() throws BootException {
    Random r = new Random(3);
    int[] codes = {0x27, 0x37, 0x6E, 0x72, 0x7B, 0x7C, 0x81, 0x87, 0x89, 0x400, 0x55, 0x7FFF_FFFF};
    for (int i = 0; i < 60; i++) {
      String fault =
          "vc:0x" + Integer.toHexString(codes[i % codes.length]) + "@" + r.nextInt(1_300_000);
      MachineSpec o =
          MachineSpec.builder(SevMode.ES, Locore.image(), b -> {})
              .memoryBytes(64L << 20)
              .processors(2)
              .cpuModel("vesper-min,+xsave")
              .hostFaults(fault)
              .build();
      assertThat(check(o, 3_000_000)).as(fault).anyMatch(f -> f.rule() == Rule.HOST_INJECTED_VC);
    }
  }

  /** The reference guest with random bytes of its handlers changed. */
  @Test
  void brokenGuestsAreJudged() throws BootException {
    Random r = new Random(4);
    byte[] good = Locore.image();
    int findings = 0;
    for (int i = 0; i < 150; i++) {
      byte[] bad = good.clone();
      for (int n = r.nextInt(3); n >= 0; n--) {
        bad[0x1000 + r.nextInt(0x2000)] ^= (byte) (1 << r.nextInt(8));
      }
      MachineSpec o =
          MachineSpec.builder(SevMode.ES, bad, b -> {})
              .memoryBytes(64L << 20)
              .processors(2)
              .cpuModel("vesper-min,+xsave")
              .build();
      findings += check(o, 300_000).size();
    }
    assertThat(findings).isPositive();
  }

  @Test
  void damagedTracesAreJudgedOrRefused() throws BootException, IOException {
    List<String> lines = new ArrayList<>();
    ByteArrayOutputStream text = new ByteArrayOutputStream();
    try (JsonLinesWriter w = new JsonLinesWriter(text)) {
      LocoreRun.run(SevMode.ES, Locore.image()).events().stream().limit(400).forEach(w::accept);
    }
    text.toString(StandardCharsets.UTF_8).lines().forEach(lines::add);
    Random r = new Random(6);
    int judged = 0;
    for (int i = 0; i < 2000; i++) {
      List<String> bad = new ArrayList<>(lines.subList(0, 60 + r.nextInt(300)));
      for (int n = r.nextInt(4); n >= 0; n--) {
        int at = r.nextInt(bad.size());
        StringBuilder b = new StringBuilder(bad.get(at));
        int where = r.nextInt(b.length());
        switch (r.nextInt(3)) {
          case 0 -> b.setCharAt(where, "0123456789abcdefx=-@:\" ".charAt(r.nextInt(23)));
          case 1 -> b.deleteCharAt(where);
          default -> b.insert(where, "-0x:=@ 9f".charAt(r.nextInt(9)));
        }
        bad.set(at, b.toString());
      }
      Checker c = new Checker();
      try {
        JsonLinesReader.read(
            new BufferedReader(new StringReader(String.join("\n", bad))), c::accept);
        judged++;
      } catch (IOException e) {
        assertThat(e.getMessage()).startsWith("line ");
      }
    }
    assertThat(judged).isGreaterThan(200);
  }
}
