package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.cli.attest.ReportWords;
import dev.vesper.fixtures.DebianPackages;
import dev.vesper.fixtures.RustSev;
import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.launch.EndorsementChain;
import dev.vesper.machine.launch.EndorsementKey;
import dev.vesper.machine.launch.IdAuthentication;
import dev.vesper.machine.launch.ReportField;
import dev.vesper.machine.launch.SnpProduct;
import dev.vesper.machine.launch.TcbVersion;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * virtee's library for Rust decodes, judges and measures as this one does. 1,000 reports and 1,000
 * changes of each product with -Dlong=true.
 */
@Tag("slow")
@Timeout(value = 20, unit = TimeUnit.MINUTES)
final class RustSevTest {
  private static final boolean LONG = Boolean.getBoolean("long");
  private static final int REPORTS = LONG ? 1000 : 20;
  private static final int FLIPS = LONG ? 1000 : 120;

  /** Of every how many changes this one's verdict is asked too, which takes a command each. */
  private static final int OURS = 10;

  private static final String DAY = "2026-11-30";
  private static final long SEED = 1;
  private static final HexFormat HEX = HexFormat.of();

  /** Words of {@code attest report} that name a bit. */
  private static final Pattern BIT = Pattern.compile("([A-Z0-9_]+): .*");

  private static final int POLICY_BITS = 26;
  private static final int OUTSIDE = -1;

  @TempDir Path dir;

  private String file(String name, byte[] bytes) throws IOException {
    return Files.write(dir.resolve(name), bytes).toString();
  }

  private static String question(String verb, List<byte[]> parts) {
    return verb + " " + parts.stream().map(HEX::formatHex).collect(Collectors.joining(" "));
  }

  // ---- fields

  /** {@return a report with something in every field that its version has, not signed} */
  private static AttestationReport filled(SnpProduct p, int version, int model, Random random) {
    AttestationReport r = AttestSamples.unsigned(p);
    for (ReportField f : ReportField.values()) {
      byte[] b = new byte[f.bytes()];
      random.nextBytes(b);
      switch (f) {
        case VERSION, SIGNATURE, SIGNATURE_ALGO, CHIP_ID, CPUID_FAMILY, CPUID_MODEL -> {}
        case CPUID_STEPPING -> r.set(f, version > 2 ? random.nextInt(16) : 0);
        case POLICY -> r.set(f, random.nextInt(1 << POLICY_BITS) | 1 << 17);
        case PLATFORM_INFO -> r.set(f, random.nextInt(1 << 8));
        case KEY_INFO -> r.set(f, random.nextInt(1 << 5));
        case CURRENT_TCB, REPORTED_TCB, COMMITTED_TCB, LAUNCH_TCB ->
            r.set(
                f,
                p.encode(
                    new TcbVersion(
                        p == SnpProduct.TURIN ? b[0] & 0xFF : 0,
                        b[1] & 0xFF,
                        b[2] & 0xFF,
                        b[3] & 0xFF,
                        b[4] & 0xFF)));
        case LAUNCH_MIT_VECTOR, CURRENT_MIT_VECTOR -> r.set(f, version < 5 ? new byte[8] : b);
        default -> r.set(f, b);
      }
    }
    r.set(ReportField.VERSION, version);
    r.set(ReportField.CPUID_FAMILY, version < 3 ? 0 : p == SnpProduct.TURIN ? 0x1A : 0x19);
    r.set(ReportField.CPUID_MODEL, version < 3 ? 0 : model);
    return r;
  }

  /** {@return what {@code attest report} says of a report, in the other's words} */
  private static Map<String, String> ours(AttestationReport r) {
    Map<String, String> all = new TreeMap<>();
    for (ReportWords.Field f : ReportWords.of(r)) {
      String name = f.name();
      List<String> words = f.meaning();
      String value = f.value();
      if (words.contains("not in reports of this version")) {
        value = "none";
      } else if (name.endsWith("_TCB")) {
        value = words.getFirst().substring(words.getFirst().indexOf(": ") + 2);
      } else if (name.equals("POLICY")) {
        String abi = words.getFirst();
        all.put("POLICY ABI", abi.substring(abi.lastIndexOf(' ') + 1));
      } else if (name.equals("KEY_INFO")) {
        all.put("KEY_INFO SIGNER", signer(words.getFirst()));
      }
      if (List.of("POLICY", "PLATFORM_INFO", "KEY_INFO").contains(name)) {
        all.put(
            name + " BITS",
            words.stream()
                .map(BIT::matcher)
                .flatMap(m -> m.matches() ? Stream.of(m.group(1)) : Stream.empty())
                .collect(Collectors.joining(" ")));
      }
      all.put(name, value);
    }
    return all;
  }

  private static String signer(String words) {
    return words.contains("(VCEK)")
        ? "0"
        : words.contains("(VLEK)") ? "1" : words.endsWith("nobody") ? "7" : "other";
  }

  private static Map<String, String> theirs(String answer) {
    Map<String, String> all = new TreeMap<>();
    for (String field : answer.split("\t")) {
      String[] parts = field.split("=", 2);
      assertThat(parts).as(answer).hasSize(2);
      all.put(parts[0], parts[1]);
    }
    all.computeIfPresent(
        "KEY_INFO SIGNER", (k, v) -> List.of("0", "1", "7").contains(v) ? v : "other");
    return all;
  }

  @Test
  void everyFieldOfEveryVersionIsReadAlike() throws Exception {
    RustSev rust = RustSev.build();
    Random random = new Random(31);
    List<AttestationReport> reports = new ArrayList<>();
    for (int i = 0; i < REPORTS; i++) {
      reports.add(filled(SnpProduct.MILAN, 2, 0, random));
      reports.add(filled(SnpProduct.GENOA, 2, 0, random));
      for (int version = 3; version <= 5; version++) {
        reports.add(filled(SnpProduct.MILAN, version, 1, random));
        reports.add(filled(SnpProduct.GENOA, version, i % 2 == 0 ? 0x11 : 0xA0, random));
        reports.add(filled(SnpProduct.TURIN, version, i % 2 == 0 ? 2 : 0x11, random));
      }
    }
    for (SnpProduct p : SnpProduct.values()) {
      reports.add(new AttestationReport(AttestSamples.signed(p, AttestSamples.unsigned(p))));
    }
    List<String> answers =
        rust.ask(reports.stream().map(r -> question("report", List.of(r.encode()))).toList());
    for (int i = 0; i < answers.size(); i++) {
      assertThat(theirs(answers.get(i)))
          .as("report %d: %s", i, HEX.formatHex(reports.get(i).encode()))
          .isEqualTo(ours(reports.get(i)));
    }
  }

  // ---- signatures

  /** {@return a report that is signed, with the certificates of the key that has signed it} */
  private static List<byte[]> signed(SnpProduct p, boolean lent) {
    EndorsementChain c = EndorsementChain.of(p, SEED);
    EndorsementKey key = lent ? EndorsementKey.lent(p) : EndorsementKey.of(p, SEED);
    int model = p == SnpProduct.MILAN ? 1 : p == SnpProduct.GENOA ? 0x11 : 2;
    AttestationReport r = filled(p, p.reportVersion(), model, new Random(p.ordinal()));
    r.set(ReportField.POLICY, 0x30000);
    r.set(ReportField.KEY_INFO, key.signer() << AttestationReport.SIGNER_SHIFT);
    r.set(ReportField.REPORTED_TCB, p.encode(p.tcb()));
    r.sign(key);
    return lent
        ? List.of(
            r.encode(),
            c.certificate(EndorsementChain.Part.VLEK),
            c.certificate(EndorsementChain.Part.ASVK),
            c.ark())
        : List.of(r.encode(), c.vcek(), c.ask(), c.ark());
  }

  private CommandResult judged(List<byte[]> parts) throws IOException {
    List<String> line = new ArrayList<>(List.of("attest", "verify"));
    for (int i = 0; i < parts.size(); i++) {
      line.add(file("f" + i, parts.get(i)));
    }
    line.addAll(List.of("--test-chain", "--at", DAY));
    return CommandResult.of(line.toArray(String[]::new));
  }

  /** {@return bytes of TCB versions that are reserved: the library signs zeros for them} */
  private static boolean reserved(SnpProduct p, int at) {
    int tcb =
        Stream.of(
                ReportField.CURRENT_TCB,
                ReportField.REPORTED_TCB,
                ReportField.COMMITTED_TCB,
                ReportField.LAUNCH_TCB)
            .filter(f -> at >= f.offset() && at < f.offset() + f.bytes())
            .mapToInt(f -> at - f.offset())
            .findFirst()
            .orElse(OUTSIDE);
    return tcb != OUTSIDE && (p == SnpProduct.TURIN ? tcb >= 4 && tcb < 7 : tcb >= 2 && tcb < 6);
  }

  @Test
  void itBelievesTheTestChainsAndNoChangeOfABit() throws Exception {
    RustSev rust = RustSev.build();
    Random random = new Random(32);
    for (SnpProduct p : SnpProduct.values()) {
      List<byte[]> good = signed(p, false);
      List<byte[]> lent = signed(p, true);
      List<String> questions = new ArrayList<>();
      questions.add(question("verify", good));
      questions.add(question("verify", lent));
      for (List<byte[]> parts : List.of(good, lent)) {
        CommandResult found = judged(parts);
        assertThat(found.status()).as(found.out() + found.err()).isZero();
      }
      int unseen = 0;
      for (int i = 0; i < FLIPS; i++) {
        ChangedBit c = ChangedBit.of(i % ChangedBit.KINDS, i % 2 == 0 ? good : lent, random);
        int at = Arrays.mismatch(good.getFirst(), c.question().getFirst());
        boolean ignored = reserved(p, at);
        if (!ignored) {
          questions.add(question("verify", c.question()));
        }
        unseen += ignored ? 1 : 0;
        if (ignored || i % OURS == 0) {
          assertThat(judged(c.question()).status()).as(p + " " + i).isEqualTo(1);
        }
      }
      List<String> answers = rust.ask(questions);
      assertThat(answers.subList(0, 2)).containsOnly("ok");
      assertThat(answers.subList(2, answers.size()))
          .hasSize(FLIPS - unseen)
          .allMatch(a -> a.startsWith("refused: "));
    }
  }

  /** Test chains of different products have the same keys, and the library reads no names. */
  @Test
  void itRefusesReportsAndCertificatesOfOthers() throws Exception {
    RustSev rust = RustSev.build();
    List<byte[]> milan = signed(SnpProduct.MILAN, false);
    List<byte[]> lent = signed(SnpProduct.MILAN, true);
    byte[] chip = EndorsementChain.of(SnpProduct.MILAN, SEED + 1).vcek();
    List<String> questions = new ArrayList<>();
    for (List<byte[]> mixed :
        List.of(
            List.of(lent.get(0), milan.get(1), milan.get(2), milan.get(3)),
            List.of(milan.get(0), lent.get(1), milan.get(2), milan.get(3)),
            List.of(milan.get(0), lent.get(1), lent.get(2), milan.get(3)),
            List.of(milan.get(0), milan.get(1), lent.get(2), milan.get(3)),
            List.of(milan.get(0), milan.get(1), milan.get(2), milan.get(2)),
            List.of(milan.get(0), chip, milan.get(2), milan.get(3)))) {
      questions.add(question("verify", mixed));
      assertThat(judged(mixed).status()).isEqualTo(1);
    }
    assertThat(rust.ask(questions)).allMatch(a -> a.startsWith("refused: "));
  }

  // ---- launches

  /** A launch: what {@code vesper measure} is told, and what the other is. */
  private record Launch(List<String> options, String question) {}

  private static Launch launch(
      String firmware, int processors, String type, String features, String... kernel) {
    List<String> line = new ArrayList<>(List.of("measure", "--mode", "snp", "--ovmf", firmware));
    line.addAll(List.of("--vcpus", "" + processors, "--vcpu-type", type));
    line.addAll(List.of("--guest-features", features));
    String words = "- - -";
    if (kernel.length > 0) {
      line.addAll(List.of("--kernel", kernel[0], "--initrd", kernel[1], "--append", kernel[2]));
      words =
          "%s %s %s"
              .formatted(
                  kernel[0], kernel[1], HEX.formatHex(kernel[2].getBytes(StandardCharsets.UTF_8)));
    }
    String question =
        "measure %s %d %s %s QEMU %s".formatted(firmware, processors, type, features, words);
    return new Launch(line, question);
  }

  private byte[] published(String build) throws IOException {
    try (InputStream in = getClass().getResourceAsStream("ovmf/ovmf_" + build + "_suffix.bin")) {
      return Objects.requireNonNull(in).readAllBytes();
    }
  }

  /** Not those of EC2: the library has RDX 0 in its save areas, sev-snp-measure 600h, as here. */
  @Test
  void launchDigestsAreTheSame() throws Exception {
    RustSev rust = RustSev.build();
    String hashing = file("AmdSev", published("AmdSev"));
    String plain = file("OvmfX64", published("OvmfX64"));
    String debian = DebianPackages.unpacked("ovmf").resolve("usr/share/ovmf/OVMF.fd").toString();
    String kernel = file("kernel", "a kernel".repeat(1000).getBytes(StandardCharsets.US_ASCII));
    String initrd = file("initrd", new byte[] {1, 2, 3});
    List<Launch> launches = new ArrayList<>();
    for (String type :
        List.of("EPYC-v4", "EPYC-Rome", "EPYC-Milan-v2", "EPYC-Genoa", "EPYC-Turin")) {
      launches.add(launch(plain, 1, type, "1"));
      launches.add(launch(debian, 2, type, "21"));
      launches.add(launch(hashing, 3, type, "1", kernel, initrd, "console=ttyS0 quiet"));
    }
    launches.add(launch(hashing, 4, "EPYC-Milan", "1", kernel, initrd, ""));
    launches.add(launch(hashing, 64, "EPYC-Turin", "201", kernel, kernel, "root=/dev/vda ü"));
    List<String> answers = rust.ask(launches.stream().map(Launch::question).toList());
    for (int i = 0; i < launches.size(); i++) {
      CommandResult found = CommandResult.of(launches.get(i).options.toArray(String[]::new));
      assertThat(found.err()).isEmpty();
      assertThat(answers.get(i)).as(launches.get(i).question).isEqualTo(found.out().strip());
    }
    assertThat(answers).doesNotHaveDuplicates();
  }

  /** Signatures are left out: the library's have random numbers in them. */
  @Test
  void idBlocksAreTheSameButForTheirSignatures() throws Exception {
    RustSev rust = RustSev.build();
    String id = file("id.pem", MeasureTest.pem("1f".repeat(48)));
    String author = file("author.pem", MeasureTest.pem("2e".repeat(48)));
    String firmware = file("OvmfX64", published("OvmfX64"));
    List<String> line = new ArrayList<>(launch(firmware, 1, "EPYC-Milan", "1").options);
    String digest = CommandResult.of(line.toArray(String[]::new)).out().strip();
    String family = "0f".repeat(16);
    String image = "a5".repeat(16);
    line.addAll(List.of("--idkey", id, "--authorkey", author, "--svn", "7"));
    line.addAll(List.of("--familyid", family, "--imageid", image, "--policy", "0xb0000"));
    CommandResult found = CommandResult.of(line.toArray(String[]::new));
    assertThat(found.err()).isEmpty();
    String answer =
        rust.ask(
                List.of(String.join(" ", "block", digest, family, image, "7", "b0000", id, author)))
            .getFirst();
    String[] words = answer.split(" ");
    assertThat(words).as(answer).hasSize(4);
    assertThat(HEX.parseHex(words[0])).isEqualTo(printed(found, "id-block="));
    byte[] page = printed(found, "id-auth=");
    assertThat(unsigned(HEX.parseHex(words[1]))).isEqualTo(unsigned(page));
    IdAuthentication keys = new IdAuthentication(page);
    assertThat(HEX.parseHex(words[2])).isEqualTo(IdAuthentication.digest(keys.idKey()));
    assertThat(HEX.parseHex(words[3])).isEqualTo(IdAuthentication.digest(keys.authorKey()));
  }

  private static byte[] printed(CommandResult r, String head) {
    String line = r.out().lines().filter(l -> l.startsWith(head)).findFirst().orElseThrow();
    return Base64.getDecoder().decode(line.substring(head.length()));
  }

  /** {@return an authentication page without its signatures of 512 bytes (spec: snp 6.5)} */
  private static byte[] unsigned(byte[] page) {
    byte[] b = page.clone();
    Arrays.fill(b, 0x40, 0x240, (byte) 0);
    Arrays.fill(b, 0x680, 0x880, (byte) 0);
    return b;
  }
}
