package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.cli.attest.KeyService;
import dev.vesper.cli.attest.Pem;
import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.DebianSuite;
import dev.vesper.fixtures.GoSevGuest;
import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.launch.EndorsementChain;
import dev.vesper.machine.launch.EndorsementKey;
import dev.vesper.machine.launch.ReportField;
import dev.vesper.machine.launch.SnpProduct;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/**
 * Google's verifier judges as this one does: what a kernel in a guest was given, what was changed
 * in it, keys that are lent, and lists of what is revoked. 1,000 changes with -Dlong=true.
 */
@Tag("slow")
final class GoSevGuestTest {
  private static final boolean LONG = Boolean.getBoolean("long");
  private static final int FLIPS = LONG ? 1000 : 100;
  private static final String DAY = "2026-11-30";
  private static final long SEED = 1;
  private static final String INIT =
      """
      #!/bin/busybox sh
      /bin/busybox mount -t proc proc /proc
      /bin/busybox mount -t sysfs sys /sys
      for f in %s; do /bin/busybox insmod /m/$f || echo NOT-LOADED $f; done
      /bin/busybox mount -t configfs none /sys/kernel/config
      R=/sys/kernel/config/tsm/report/r
      /bin/busybox mkdir $R
      echo -n %s > $R/inblob
      echo REPORT $(/bin/busybox od -An -v -tx1 $R/outblob | /bin/busybox tr -d ' \\n')
      echo CERTS $(/bin/busybox od -An -v -tx1 $R/auxblob | /bin/busybox tr -d ' \\n')
      /bin/busybox poweroff -f
      """;
  private static final String DATA = "0123456789abcdef".repeat(4);

  @TempDir Path dir;

  private String file(String name, byte[] bytes) throws IOException {
    return Files.write(dir.resolve(name), bytes).toString();
  }

  /** {@return report and table of certificates that Debian 13's kernel has in its configfs} */
  private List<byte[]> fetched(String... more) throws Exception {
    DebianSuite trixie = DebianSuite.of("trixie");
    Map<String, byte[]> files = new TreeMap<>();
    Map<String, byte[]> modules =
        trixie.modules(
            "gf128mul", "ghash-generic", "crypto_null", "gcm", "configfs", "tsm", "sev-guest");
    modules.forEach((name, bytes) -> files.put("m/" + name, bytes));
    String init = INIT.formatted(String.join(" ", modules.keySet()), DATA);
    Path console = dir.resolve("console");
    List<String> line =
        new ArrayList<>(
            List.of(
                "run",
                "--sev",
                "snp",
                "-m",
                "256M",
                "-kernel",
                file("kernel", trixie.kernel()),
                "-initrd",
                file("initrd", DebianKernel.initramfs(init, files)),
                "-append",
                "console=ttyS0 quiet cryptomgr.notests=1",
                "--certs",
                "test",
                "-serial",
                "file:" + console));
    line.addAll(List.of(more));
    CommandResult r = CommandResult.of(line.toArray(String[]::new));
    String text = Files.readString(console, StandardCharsets.ISO_8859_1);
    assertThat(r.status()).as(r.err() + text).isZero();
    assertThat(text).doesNotContain("NOT-LOADED");
    return List.of(word(text, "REPORT "), word(text, "CERTS "));
  }

  private static byte[] word(String console, String head) {
    return HexFormat.of()
        .parseHex(
            console
                .lines()
                .filter(l -> l.startsWith(head))
                .findFirst()
                .orElseThrow()
                .substring(head.length())
                .strip());
  }

  private CommandResult ours(List<byte[]> question) throws IOException {
    List<String> line = new ArrayList<>(List.of("attest", "verify"));
    for (int i = 0; i < question.size(); i++) {
      line.add(file("f" + i, question.get(i)));
    }
    line.addAll(List.of("--test-chain", "--at", DAY));
    return CommandResult.of(line.toArray(String[]::new));
  }

  @Test
  @Timeout(value = 20, unit = TimeUnit.MINUTES)
  void whatAKernelIsGivenHoldsAndNoBitOfItMayChange() throws Exception {
    GoSevGuest go = GoSevGuest.build();
    List<byte[]> guest = fetched();
    byte[] report = Arrays.copyOf(guest.getFirst(), AttestationReport.BYTES);
    EndorsementChain c = EndorsementChain.of(SnpProduct.MILAN, SEED);
    assertThat(guest.get(1)).startsWith(c.table());
    List<byte[]> good = List.of(report, c.vcek(), c.ask(), c.ark());
    assertThat(ours(List.of(report, guest.get(1))).status()).isZero();
    assertThat(ours(good).status()).isZero();
    Random random = new Random(21);
    List<List<byte[]>> questions = new ArrayList<>(List.of(good));
    for (int i = 0; i < FLIPS; i++) {
      ChangedBit f = ChangedBit.of(i % ChangedBit.KINDS, good, random);
      questions.add(f.question());
      CommandResult found = ours(f.question());
      String what = "change " + i + ": " + found.out();
      assertThat(found.status()).as(what).isEqualTo(1);
      assertThat(found.out()).as(what).containsPattern("(?m)^✗ (certificate|" + f.check() + ")");
    }
    List<String> answers = go.judge(Pem.chain(c), DAY, "", questions);
    assertThat(answers.getFirst()).isEqualTo("ok");
    assertThat(answers.subList(1, answers.size())).doesNotContain("ok");
  }

  private static byte[] signed(SnpProduct p, EndorsementKey by) {
    AttestationReport r = AttestSamples.unsigned(p);
    r.set(ReportField.KEY_INFO, by.signer() << AttestationReport.SIGNER_SHIFT);
    // The model that the library knows as Genoa's.
    r.set(ReportField.CPUID_STEPPING, 0);
    r.sign(by);
    return r.encode();
  }

  /** The library's version 0.13 knows no report of version 5. */
  @Test
  @EnabledIfSystemProperty(named = "long", matches = "true")
  void aTurinsKernelIsGivenAReportByAKeyThatIsLent() throws Exception {
    List<byte[]> guest = fetched("-cpu", "EPYC-Turin", "--vlek", "test");
    byte[] report = Arrays.copyOf(guest.getFirst(), AttestationReport.BYTES);
    AttestationReport r = new AttestationReport(report);
    assertThat(r.number(ReportField.VERSION)).isEqualTo(5);
    assertThat(r.number(ReportField.CPUID_FAMILY)).isEqualTo(0x1A);
    assertThat(Arrays.copyOfRange(r.get(ReportField.CHIP_ID), 8, 64)).containsOnly(0);
    assertThat(guest.get(1)).startsWith(EndorsementChain.of(SnpProduct.TURIN, SEED).lentTable());
    CommandResult found = ours(List.of(report, guest.get(1)));
    assertThat(found.status()).as(found.out() + found.err()).isZero();
    assertThat(found.out()).contains("✓ VLEK certificate", "FMC 1");
  }

  /** Version 5 and Turin's levels came after the library's version 0.13. */
  @Test
  void certificatesAndListsAreFetchedByThePathsOfAmdsService() throws Exception {
    GoSevGuest go = GoSevGuest.build();
    for (SnpProduct p : List.of(SnpProduct.MILAN, SnpProduct.GENOA)) {
      EndorsementChain c = EndorsementChain.of(p, SEED);
      List<List<byte[]>> one = List.of(List.of(signed(p, EndorsementKey.of(p, SEED))));
      for (boolean revoked : new boolean[] {false, true}) {
        Set<EndorsementChain.Part> parts = revoked ? Set.of(EndorsementChain.Part.ASK) : Set.of();
        try (KeyService s = KeyService.start(new InetSocketAddress("127.0.0.1", 0), SEED, parts)) {
          String at = "http://127.0.0.1:" + s.address().getPort();
          String answer = go.judge(Pem.chain(c), DAY, at, one).getFirst();
          assertThat(answer).matches(revoked ? "ASK was revoked at .*" : "ok");
        }
      }
    }
  }

  @Test
  void aKeyThatIsLentSigns() throws Exception {
    GoSevGuest go = GoSevGuest.build();
    for (SnpProduct p : List.of(SnpProduct.MILAN, SnpProduct.GENOA)) {
      EndorsementChain c = EndorsementChain.of(p, SEED);
      byte[] report = signed(p, EndorsementKey.lent(p));
      List<byte[]> good =
          List.of(
              report,
              c.certificate(EndorsementChain.Part.VLEK),
              c.certificate(EndorsementChain.Part.ASVK),
              c.ark());
      byte[] changed = report.clone();
      changed[0x50] ^= 1;
      List<byte[]> bad = new ArrayList<>(good);
      bad.set(0, changed);
      List<byte[]> other = new ArrayList<>(good);
      other.set(0, signed(p, EndorsementKey.of(p, SEED)));
      List<String> answers = go.judge(Pem.lentChain(c), DAY, "", List.of(good, bad, other));
      assertThat(answers.getFirst()).isEqualTo("ok");
      assertThat(answers.subList(1, 3)).doesNotContain("ok");
      assertThat(ours(good).status()).isZero();
      assertThat(ours(bad).status()).isEqualTo(1);
      assertThat(ours(other).status()).isEqualTo(1);
    }
  }

  /** What the library's authors have: a Milan's report, its certificate and AMD's chain. */
  @Test
  void theLibrarysOwnFixturesHold() throws Exception {
    Path data = GoSevGuest.source().resolve("verify/testdata");
    byte[] report = Files.readAllBytes(data.resolve("attestation.bin"));
    byte[] vcek = Files.readAllBytes(data.resolve("vcek.testcer"));
    byte[] chain = Files.readAllBytes(data.resolve("milan.testcer"));
    CommandResult said = CommandResult.of("attest", "report", file("r", report));
    assertThat(said.status()).as(said.err()).isZero();
    assertThat(said.out()).contains("signed by the chip's key (VCEK)");
    byte[] changed = report.clone();
    changed[0x90] ^= 1;
    for (byte[] r : List.of(report, changed)) {
      CommandResult found =
          CommandResult.of(
              "attest",
              "verify",
              file("r", r),
              file("vcek", vcek),
              file("chain", chain),
              "--at",
              "2023-06-01");
      assertThat(found.status()).as(found.out() + found.err()).isEqualTo(r == report ? 0 : 1);
      assertThat(found.out())
          .contains((r == report ? "✓" : "✗") + " report signature")
          .contains("AMD's ARK for Milan");
    }
  }
}
