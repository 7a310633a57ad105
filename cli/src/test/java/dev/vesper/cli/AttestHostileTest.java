package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.cli.attest.Pem;
import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.launch.EndorsementChain;
import dev.vesper.machine.launch.SnpProduct;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertificateFactory;
import java.security.cert.X509CRL;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Reports, certificates and tables that strangers have damaged: 1,000s of them with -Dlong=true.
 */
final class AttestHostileTest {
  private static final boolean LONG = Boolean.getBoolean("long");
  private static final int MUTATIONS = LONG ? 5000 : 250;
  private static final int FLIPS = LONG ? 1000 : 40;
  private static final String DAY = "2026-11-30";

  @TempDir Path dir;

  private String file(String name, byte[] bytes) throws IOException {
    return Files.write(dir.resolve(name), bytes).toString();
  }

  private static byte[] real(String name) throws IOException {
    return Files.readAllBytes(AttestSamples.real(name));
  }

  private CommandResult listed(byte[] report, byte[] table, byte[] list) throws IOException {
    return CommandResult.of(
        "attest",
        "verify",
        file("report", report),
        file("table", table),
        "--crl",
        file("list", list),
        "--test-chain",
        "--at",
        DAY);
  }

  private CommandResult verify(byte[] report, byte[]... certs) throws IOException {
    String[] line = new String[certs.length + 6];
    line[0] = "attest";
    line[1] = "verify";
    line[2] = file("report", report);
    for (int i = 0; i < certs.length; i++) {
      line[3 + i] = file("cert" + i, certs[i]);
    }
    line[line.length - 3] = "--test-chain";
    line[line.length - 2] = "--at";
    line[line.length - 1] = DAY;
    return CommandResult.of(line);
  }

  /** {@return bytes with one to four changes: of a bit, a byte or a run, a copy, or a cut} */
  static byte[] mutated(byte[] b, Random random) {
    byte[] m = b.clone();
    for (int n = 1 + random.nextInt(4); n > 0; n--) {
      int at = random.nextInt(m.length);
      switch (random.nextInt(5)) {
        case 0 -> m[at] ^= (byte) (1 << random.nextInt(8));
        case 1 -> m[at] = (byte) random.nextInt(256);
        case 2 -> m = Arrays.copyOf(m, Math.max(1, at));
        case 3 -> {
          int length = Math.min(1 + random.nextInt(40), m.length - at);
          Arrays.fill(m, at, at + length, (byte) (random.nextBoolean() ? 0xFF : 0));
        }
        default -> {
          byte[] tail = Arrays.copyOfRange(m, random.nextInt(m.length), m.length);
          System.arraycopy(tail, 0, m, at, Math.min(tail.length, m.length - at));
        }
      }
    }
    return m;
  }

  /** Holds a command to a status and one line if it takes nothing of its input. */
  static void assertWords(CommandResult r, byte[] input) {
    String what = HexFormat.of().formatHex(input);
    assertThat(r.status()).as(what).isIn(0, 1, 2);
    assertThat(r.err().lines().count()).as(what).isEqualTo(r.status() == 2 ? 1 : 0);
    assertThat(r.err()).as(what).doesNotContain("Exception").doesNotContain("\tat ");
    assertThat(r.out()).as(what).doesNotContain("\tat ").doesNotContain("java.");
    if (r.status() == 2) {
      assertThat(r.err()).as(what).startsWith("vesper: ");
      assertThat(r.out()).as(what).isEmpty();
    }
  }

  @Test
  @Timeout(value = 20, unit = TimeUnit.MINUTES)
  void anythingIsWordsAndAStatus() throws IOException {
    byte[] milan = AttestSamples.milan();
    byte[] text = real("vs_report_milan.hex");
    byte[] vcek = real("vs_vcek_milan.der");
    byte[] chain = real("vs_cert_chain_milan.pem");
    byte[] table = AttestSamples.table(SnpProduct.MILAN);
    byte[] own = AttestSamples.signed(SnpProduct.MILAN, AttestSamples.unsigned(SnpProduct.MILAN));
    byte[] list =
        EndorsementChain.of(SnpProduct.MILAN, 1).revoked(Set.of(EndorsementChain.Part.VLEK));
    byte[] pem =
        new String(Pem.of(list), StandardCharsets.US_ASCII)
            .replace("CERTIFICATE", "X509 CRL")
            .getBytes(StandardCharsets.US_ASCII);
    Random random = new Random(11);
    for (int i = 0; i < MUTATIONS; i++) {
      byte[] seed =
          switch (i % 8) {
            case 6 -> list;
            case 7 -> pem;
            case 0 -> milan;
            case 1 -> text;
            case 2 -> vcek;
            case 3 -> chain;
            default -> table;
          };
      byte[] m = mutated(seed, random);
      switch (i % 8) {
        case 6, 7 -> {
          CommandResult r = listed(own, table, m);
          assertWords(r, m);
        }
        case 0, 1 -> {
          assertWords(CommandResult.of("attest", "report", file("r", m)), m);
          assertWords(verify(m, vcek, chain), m);
          assertWords(CommandResult.of("attest", "diff", file("r", m), file("s", milan)), m);
        }
        case 2 -> assertWords(verify(milan, m, chain), m);
        case 3 -> assertWords(verify(milan, vcek, m), m);
        default -> assertWords(verify(own, m), m);
      }
    }
  }

  @Test
  void aFlippedBitOfAListIsRefused() throws Exception {
    byte[] own = AttestSamples.signed(SnpProduct.MILAN, AttestSamples.unsigned(SnpProduct.MILAN));
    byte[] table = AttestSamples.table(SnpProduct.MILAN);
    byte[] list = EndorsementChain.of(SnpProduct.MILAN, 1).revoked(Set.of());
    X509CRL whole =
        (X509CRL)
            CertificateFactory.getInstance("X.509").generateCRL(new ByteArrayInputStream(list));
    int signed = whole.getTBSCertList().length;
    Random random = new Random(14);
    for (int i = 0; i < FLIPS; i++) {
      // An outer sequence with a length of two bytes is in front of what is signed.
      byte[] m =
          i % 2 == 0
              ? flipped(list, 4, 4 + signed, random)
              : flipped(list, list.length - whole.getSignature().length, list.length, random);
      CommandResult found = listed(own, table, m);
      assertWords(found, m);
      assertThat(found.status()).as(HexFormat.of().formatHex(m)).isNotZero();
    }
  }

  private static byte[] flipped(byte[] b, int from, int to, Random random) {
    byte[] m = b.clone();
    m[from + random.nextInt(to - from)] ^= (byte) (1 << random.nextInt(8));
    return m;
  }

  @Test
  void aFlippedBitOfAReportIsRefusedByItsSignature() throws IOException {
    byte[] milan = AttestSamples.milan();
    byte[] vcek = real("vs_vcek_milan.der");
    byte[] chain = real("vs_cert_chain_milan.pem");
    int r = AttestationReport.SIGNED_BYTES;
    List<int[]> parts =
        List.of(
            new int[] {0, r},
            new int[] {r, r + 48},
            new int[] {r + 72, r + 120},
            new int[] {r + 48, r + 72},
            new int[] {r + 120, AttestationReport.BYTES});
    Random random = new Random(12);
    for (int i = 0; i < FLIPS; i++) {
      int[] part = parts.get(i % parts.size());
      byte[] m = flipped(milan, part[0], part[1], random);
      CommandResult found = verify(m, vcek, chain);
      assertThat(found.status()).isEqualTo(1);
      assertThat(found.out()).contains("✗ report signature");
    }
  }

  @Test
  void aFlippedBitOfACertificateIsRefusedByItsName() throws Exception {
    EndorsementChain c = EndorsementChain.of(SnpProduct.MILAN, 1);
    byte[] own = AttestSamples.signed(SnpProduct.MILAN, AttestSamples.unsigned(SnpProduct.MILAN));
    List<byte[]> all = List.of(c.vcek(), c.ask(), c.ark());
    List<String> names =
        List.of("✗ VCEK certificate", "✗ ASK certificate", "✗ (ARK certificate|trusted root)");
    Random random = new Random(13);
    for (int i = 0; i < FLIPS; i++) {
      int which = i % 3;
      byte[] der = all.get(which);
      byte[] signed = AttestSamples.certificate(der).getTBSCertificate();
      // An outer sequence with a length of two bytes is in front of what is signed.
      byte[] m = flipped(der, 4, 4 + signed.length, random);
      CommandResult found =
          verify(
              own, which == 0 ? m : c.vcek(), which == 1 ? m : c.ask(), which == 2 ? m : c.ark());
      assertThat(found.status()).as(HexFormat.of().formatHex(m)).isEqualTo(1);
      assertThat(found.out()).containsPattern("(?m)^(✗ certificate|" + names.get(which) + ")");
    }
  }

  @Test
  void aTableOfManyEntriesTakesLittle() throws IOException {
    byte[] b = new byte[0x4000];
    byte[] entry = Arrays.copyOf(AttestSamples.table(SnpProduct.MILAN), 16);
    for (int at = 0; at + 48 <= b.length; at += 24) {
      System.arraycopy(entry, 0, b, at, 16);
      b[at + 21] = 0x40;
    }
    CommandResult r = verify(AttestSamples.milan(), b);
    assertThat(r.status()).isEqualTo(1);
    byte[] longer = Arrays.copyOf(b, b.length + 1);
    CommandResult refused = verify(AttestSamples.milan(), longer);
    assertThat(refused.err()).contains("a certificate table has at most 16384 bytes, not 16385");
  }
}
