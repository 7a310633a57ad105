package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.cli.attest.Pem;
import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.launch.CertificateTable;
import dev.vesper.machine.launch.EndorsementChain;
import dev.vesper.machine.launch.EndorsementKey;
import dev.vesper.machine.launch.ReportField;
import dev.vesper.machine.launch.SnpProduct;
import dev.vesper.machine.launch.TcbVersion;
import dev.vesper.machine.observe.format.JsonTree;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code attest}: what it says of reports, whom it believes, and what it makes. */
final class AttestTest {
  private static final String DAY = "2026-11-30";

  @TempDir Path dir;

  private static CommandResult attest(String... line) {
    List<String> all = new ArrayList<>(List.of("attest"));
    all.addAll(List.of(line));
    return CommandResult.of(all.toArray(String[]::new));
  }

  private String file(String name, byte[] bytes) throws IOException {
    return Files.write(dir.resolve(name), bytes).toString();
  }

  private static String real(String name) {
    return AttestSamples.real(name).toString();
  }

  /** {@return what came of a report that the machine of seed 1 signs, with its own chain} */
  private CommandResult judged(SnpProduct p, AttestationReport r, String... more)
      throws IOException {
    List<String> line = new ArrayList<>(List.of("verify"));
    line.add(file("report.bin", AttestSamples.signed(p, r)));
    line.addAll(List.of("--certs", file("certs.bin", AttestSamples.table(p)), "--test-chain"));
    line.addAll(List.of("--at", DAY));
    line.addAll(List.of(more));
    return attest(line.toArray(String[]::new));
  }

  private static AttestationReport milan() {
    return AttestSamples.unsigned(SnpProduct.MILAN);
  }

  /** {@return names of the checks with a mark} */
  private static List<String> marked(CommandResult r, String mark) {
    return r.out()
        .lines()
        .filter(l -> l.startsWith(mark + " "))
        .map(l -> l.substring(2).split(" {2,}|(?<=digest) ", 2)[0])
        .toList();
  }

  private static List<String> failed(CommandResult r) {
    assertThat(r.err()).isEmpty();
    List<String> names = marked(r, "✗");
    assertThat(r.status()).isEqualTo(names.isEmpty() ? 0 : 1);
    return names;
  }

  private static String line(CommandResult r, String name) {
    return r.out()
        .lines()
        .filter(l -> l.length() > 2 && l.startsWith(name, 2))
        .findFirst()
        .orElseThrow();
  }

  // ---- report

  @Test
  void aRealReportInWords() {
    CommandResult r = attest("report", real("vs_report_milan.hex"));
    assertThat(r.status()).isZero();
    assertThat(r.err()).isEmpty();
    assertThat(r.out())
        .contains("POLICY              0x30000 ")
        .contains("SMT: both threads of a core may be used")
        .contains("not MIGRATE_MA, DEBUG, SINGLE_SOCKET")
        .contains("boot loader 3, TEE 0, SNP 8, microcode 115")
        .contains("all ones: no migration agent")
        .contains("MEASUREMENT         7a1e5c266c0108dbc9bb94fa")
        .contains("signed by the chip's key (VCEK)")
        .contains("SIGNATURE S         0x49bf903b08ac41cb4673dccf309eabc5");
    for (ReportField f : ReportField.values()) {
      assertThat(r.out()).contains(f.name());
    }
  }

  @ParameterizedTest
  @CsvSource({
    "GENOA, VERSION, 3, has the processor's family",
    "GENOA, CPUID_FAMILY, 0x19, Genoa",
    "GENOA, CPUID_MODEL, 0x31, no product that is known",
    "TURIN, CPUID_FAMILY, 0x1a, Turin",
    "TURIN, CURRENT_MIT_VECTOR, 0xf, 4 mitigations",
    "TURIN, LAUNCH_TCB, 0x4700000003010101, 'TEE 1, SNP 3, microcode 71, FMC 1'",
    "MILAN, VERSION, 9, not known: read as version 5",
    "MILAN, VMPL, 0xffffffff, the host has asked",
    "MILAN, VMPL, 2, privilege level 2 of the guest",
    "MILAN, POLICY, 0xa0000, DEBUG: the host may have",
    "MILAN, POLICY, 0x10000, bit 17 is clear",
    "MILAN, POLICY, 0x8000000000030000, bits that are not known",
    "MILAN, PLATFORM_INFO, 0x20, ALIAS_CHECK_COMPLETE",
    "MILAN, PLATFORM_INFO, 0x140, bit 6 is not known",
    "MILAN, KEY_INFO, 7, AUTHOR_KEY_EN",
    "MILAN, KEY_INFO, 7, MASK_CHIP_KEY",
    "MILAN, KEY_INFO, 4, (VLEK)",
    "MILAN, KEY_INFO, 0x1c, signed by nobody",
    "MILAN, SIGNATURE_ALGO, 2, no algorithm that is known",
    "MILAN, COMMITTED_MAJOR, 1, '1, major version'"
  })
  void fieldsInWords(SnpProduct p, ReportField f, String value, String words) throws IOException {
    AttestationReport r = AttestSamples.unsigned(p);
    r.set(
        f,
        value.length() > 17 ? Long.parseUnsignedLong(value.substring(2), 16) : Long.decode(value));
    CommandResult said = attest("report", file("r", r.encode()));
    assertThat(said.status()).isZero();
    assertThat(said.out()).contains(words);
  }

  @Test
  void aReportAsJson() throws IOException {
    CommandResult r = attest("report", real("vs_report_milan.hex"), "--json");
    Map<String, Object> all = JsonTree.object(JsonTree.parse(r.out()));
    assertThat(all).containsEntry("schema", "vesper.attest/1");
    Map<String, Object> policy = JsonTree.object(JsonTree.array(all.get("fields")).get(2));
    assertThat(policy).containsEntry("name", "POLICY").containsEntry("value", "0x30000");
    assertThat(JsonTree.array(policy.get("meaning"))).hasSize(3);
  }

  /** {@return lines of a dump} */
  private static String dump(byte[] b, String form) {
    StringBuilder s = new StringBuilder();
    int zeros = 0;
    for (int at = 0; at < b.length; at += 16) {
      byte[] row = Arrays.copyOfRange(b, at, Math.min(b.length, at + 16));
      // As od and hexdump do, which show the first of equal lines.
      boolean stars = !form.equals("xxd") && !form.equals("xxd -p");
      zeros = Arrays.equals(row, new byte[16]) ? zeros + 1 : 0;
      if (stars && zeros > 1 && at + 16 < b.length) {
        s.append(zeros == 2 ? "*\n" : "");
        continue;
      }
      s.append(
          switch (form) {
            case "xxd" -> "%08x: %s  %s".formatted(at, groups(row, 2, false), "x".repeat(16));
            case "hexdump -C" ->
                "%08x  %s  |%s|".formatted(at, groups(row, 1, false), ".".repeat(16));
            case "od -A x -t x1" -> "%06x %s".formatted(at, groups(row, 1, false));
            case "od -A d -t x1" -> "%07d %s".formatted(at, groups(row, 1, false));
            case "od -t x1" -> "%07o %s".formatted(at, groups(row, 1, false));
            case "od -x" -> "%07o %s".formatted(at, groups(row, 2, true));
            case "od -A x -t x4" -> "%06x %s".formatted(at, groups(row, 4, true));
            case "hexdump" -> "%07x %s".formatted(at, groups(row, 2, true));
            default -> HexFormat.of().formatHex(row);
          });
      s.append('\n');
    }
    return switch (form) {
      case "xxd", "xxd -p" -> s.toString();
      case "od -A d -t x1" -> s + "%07d\n".formatted(b.length);
      case "od -t x1", "od -x" -> s + "%07o\n".formatted(b.length);
      default -> s + "%08x\n".formatted(b.length);
    };
  }

  private static String groups(byte[] row, int size, boolean reversed) {
    List<String> all = new ArrayList<>();
    for (int i = 0; i < row.length; i += size) {
      byte[] g = Arrays.copyOfRange(row, i, Math.min(row.length, i + size));
      for (int k = 0; reversed && k < g.length / 2; k++) {
        byte t = g[k];
        g[k] = g[g.length - 1 - k];
        g[g.length - 1 - k] = t;
      }
      all.add(HexFormat.of().formatHex(g));
    }
    return String.join(" ", all);
  }

  private static byte[] response(int bytes) throws IOException {
    byte[] b = new byte[bytes];
    b[4] = (byte) 0xA0;
    b[5] = 4;
    System.arraycopy(AttestSamples.milan(), 0, b, 0x20, AttestationReport.BYTES);
    return b;
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "xxd",
        "hexdump -C",
        "od -A x -t x1",
        "od -A d -t x1",
        "od -t x1",
        "od -x",
        "od -A x -t x4",
        "hexdump",
        "xxd -p"
      })
  void dumpsAreTheReport(String form) throws IOException {
    String wanted = attest("report", real("vs_report_milan.hex")).out();
    String text = dump(AttestSamples.milan(), form);
    assertThat(attest("report", file("r", text.getBytes(StandardCharsets.US_ASCII))).out())
        .isEqualTo(wanted);
    String whole = dump(response(4000), form);
    assertThat(attest("report", file("r", whole.getBytes(StandardCharsets.US_ASCII))).out())
        .isEqualTo(wanted);
  }

  @Test
  void bytesAndResponsesAreTheReport() throws IOException {
    String wanted = attest("report", real("vs_report_milan.hex")).out();
    assertThat(attest("report", file("r", AttestSamples.milan())).out()).isEqualTo(wanted);
    assertThat(attest("report", file("r", response(0x4C0))).out()).isEqualTo(wanted);
    assertThat(attest("report", file("r", response(4000))).out()).isEqualTo(wanted);
    String spelled = HexFormat.ofDelimiter(", ").withPrefix("0x").formatHex(AttestSamples.milan());
    assertThat(attest("report", file("r", spelled.getBytes(StandardCharsets.US_ASCII))).out())
        .isEqualTo(wanted);
  }

  @Test
  void aReportFromStandardInput() throws IOException {
    InputStream old = System.in;
    System.setIn(new ByteArrayInputStream(AttestSamples.milan()));
    try {
      CommandResult r = attest("report", "-");
      assertThat(r.out()).isEqualTo(attest("report", real("vs_report_milan.hex")).out());
    } finally {
      System.setIn(old);
    }
  }

  @Test
  void whatIsNoReportIsOneLine() throws IOException {
    byte[] refused = new byte[4000];
    refused[0] = 0x16;
    byte[] small = response(0x4C0);
    small[5] = 3;
    byte[] behind = response(4000);
    behind[3999] = 1;
    Map<String, byte[]> all =
        Map.of(
            "it is empty",
            new byte[0],
            "it has 5 bytes: a report has 1184, a response with one 1216",
            new byte[5],
            "all bytes are zero",
            new byte[1184],
            "status 0x16 (INVALID_PARAM)",
            refused,
            "its report has 928 bytes",
            small,
            "behind the report",
            behind,
            "neither hex nor a dump: line 2 has 'no'",
            "00\nno report\n".getBytes(StandardCharsets.US_ASCII),
            "3 digits, which is not whole bytes",
            "012".getBytes(StandardCharsets.US_ASCII));
    for (Map.Entry<String, byte[]> e : all.entrySet()) {
      CommandResult r = attest("report", file("r", e.getValue()));
      assertThat(r.status()).isEqualTo(2);
      assertThat(r.out()).isEmpty();
      assertThat(r.err()).startsWith("vesper: the report ").contains(e.getKey()).hasLineCount(1);
    }
  }

  // ---- verify

  @Test
  void aRealMilansReportHolds() throws IOException {
    CommandResult r =
        attest(
            "verify",
            real("vs_report_milan.hex"),
            real("vs_vcek_milan.der"),
            real("vs_cert_chain_milan.pem"),
            "--at",
            DAY);
    assertThat(failed(r)).isEmpty();
    assertThat(marked(r, "✓"))
        .containsExactly(
            "report format",
            "report signature",
            "key",
            "product",
            "chip ID",
            "TCB version",
            "VCEK certificate",
            "ASK certificate",
            "ARK certificate",
            "trusted root",
            "validity",
            "debugging");
    assertThat(marked(r, "-")).hasSize(12).contains("revocation", "measurement", "guest SVN");
    assertThat(line(r, "trusted root")).endsWith("AMD's ARK for Milan");
    assertThat(r.out()).endsWith("the report holds\n");
    // Both chains and another chip's key are there too, and a file that is no certificate.
    for (String name :
        List.of(
            "vs_vcek_milan.der",
            "vs_vcek_turin.der",
            "vs_cert_chain_milan.pem",
            "vs_cert_chain_turin.pem",
            "vs_test_auth_block.bin")) {
      Files.copy(AttestSamples.real(name), dir.resolve(name));
    }
    CommandResult folder =
        attest("verify", real("vs_report_milan.hex"), "--certs", dir.toString(), "--at", DAY);
    assertThat(failed(folder)).isEmpty();
    assertThat(folder.out()).contains("- certificate").contains("vs_test_auth_block.bin: it is no");
  }

  /** There is no report of that chip, so that one is made that nobody has signed. */
  @Test
  void aRealTurinsKeyIsOfItsChain() throws Exception {
    X509Certificate c =
        AttestSamples.certificate(Files.readAllBytes(AttestSamples.real("vs_vcek_turin.der")));
    AttestationReport r = AttestSamples.unsigned(SnpProduct.TURIN);
    byte[] id = new byte[64];
    System.arraycopy(c.getExtensionValue("1.3.6.1.4.1.3704.1.4"), 2, id, 0, 8);
    r.set(ReportField.CHIP_ID, id);
    r.set(ReportField.REPORTED_TCB, SnpProduct.TURIN.encode(new TcbVersion(0, 0, 0, 0, 0)));
    CommandResult first = turin(r);
    assertThat(failed(first)).containsExactly("report signature", "TCB version");
    assertThat(line(first, "trusted root")).endsWith("AMD's ARK for Turin");
    assertThat(line(first, "TCB version"))
        .contains(
            "fetch https://kdsintf.amd.com/vcek/v1/Turin/" + HexFormat.of().formatHex(id, 0, 8))
        .contains("?fmcSPL=0&blSPL=0&");
    // The certificate's version is the one that the check has named.
    String said = line(first, "TCB version").replaceFirst(".*is of (.*), REPORTED.*", "$1");
    int[] n =
        Arrays.stream(said.split("\\D+"))
            .filter(s -> !s.isEmpty())
            .mapToInt(Integer::parseInt)
            .toArray();
    TcbVersion v = new TcbVersion(n.length > 4 ? n[4] : 0, n[0], n[1], n[2], n[3]);
    r.set(ReportField.REPORTED_TCB, SnpProduct.TURIN.encode(v));
    assertThat(failed(turin(r))).containsExactly("report signature");
    r.set(ReportField.CPUID_FAMILY, 0x19);
    assertThat(failed(turin(r))).contains("report signature", "product");
  }

  private CommandResult turin(AttestationReport r) throws IOException {
    return attest(
        "verify",
        file("r", r.encode()),
        "--certs",
        real("vs_vcek_turin.der") + "," + real("vs_cert_chain_turin.pem"),
        "--at",
        DAY);
  }

  @ParameterizedTest
  @EnumSource
  void theTestChainIsTrustedOnRequestOnly(SnpProduct p) throws IOException {
    AttestationReport r = AttestSamples.unsigned(p);
    CommandResult known = judged(p, r);
    assertThat(failed(known)).isEmpty();
    assertThat(line(known, "trusted root")).startsWith("! ").contains("proves nothing");
    String report = dir.resolve("report.bin").toString();
    String table = dir.resolve("certs.bin").toString();
    CommandResult unknown = attest("verify", report, table, "--at", DAY);
    assertThat(failed(unknown)).containsExactly("trusted root");
    assertThat(line(unknown, "trusted root")).contains("Vesper's test chain");
    String root = file("root.der", EndorsementChain.of(p, 1).ark());
    CommandResult named = attest("verify", report, table, "--at", DAY, "--ark", root);
    assertThat(failed(named)).isEmpty();
    assertThat(line(named, "trusted root")).contains("--ark names");
    // The root need not be there a second time.
    CertificateTable part = new CertificateTable();
    part.with(CertificateTable.VCEK, EndorsementChain.of(p, 1).vcek());
    part.with(CertificateTable.ASK, EndorsementChain.of(p, 1).ask());
    String two = file("two.bin", part.encode());
    assertThat(failed(attest("verify", report, two, "--at", DAY, "--ark", root))).isEmpty();
    assertThat(failed(attest("verify", report, two, "--at", DAY)))
        .containsExactly("ASK certificate", "ARK certificate", "trusted root", "validity");
  }

  @ParameterizedTest
  @CsvSource({
    "--policy, 0x30000, 0x20000, policy",
    "--policy, 0xb0000, 0x130000, policy",
    "--measurement, 11x48, 12x48, measurement",
    "--report-data, 22x64, 22x63, report data",
    "--host-data, 33x32, 00x32, host data",
    "--id-key-digest, 00x48, 01x48, ID key digest",
    "--author-key-digest, 00x48, 01x48, author key digest",
    "--familyid, 00x16, 01x16, family ID",
    "--imageid, 00x16, 01x16, image ID",
    "--vmpl, 1, 0, VMPL",
    "--min-tcb, 'bl=3,tee=0,snp=8,ucode=115', snp=9, least TCB",
    "--svn, 7, 8, guest SVN"
  })
  void whatIsExpectedHoldsOrNot(String option, String good, String bad, String check)
      throws IOException {
    AttestationReport r = milan();
    r.set(ReportField.VMPL, 1);
    r.set(ReportField.GUEST_SVN, 7);
    CommandResult holds = judged(SnpProduct.MILAN, r, option, spelled(good));
    assertThat(failed(holds)).isEmpty();
    assertThat(marked(holds, "✓")).contains(check);
    CommandResult not = judged(SnpProduct.MILAN, r, option, spelled(bad));
    assertThat(failed(not)).containsExactly(check);
    assertThat(not.out()).endsWith("the report does not hold: checks failed: 1\n");
    assertThat(line(judged(SnpProduct.MILAN, r), check)).startsWith("- ").contains(option);
  }

  /** {@return bytes in hex that are written 11x48} */
  private static String spelled(String value) {
    return value.matches("[0-9a-f]{2}x\\d+")
        ? value.substring(0, 2).repeat(Integer.parseInt(value.substring(3)))
        : value;
  }

  @Test
  void fewerBytesOfReportDataHaveZerosBehind() throws IOException {
    AttestationReport r = milan();
    r.set(ReportField.REPORT_DATA, Arrays.copyOf(AttestSamples.filled(32, 9), 64));
    assertThat(failed(judged(SnpProduct.MILAN, r, "--report-data", "09".repeat(32)))).isEmpty();
    assertThat(failed(judged(SnpProduct.MILAN, r, "--report-data", "09".repeat(31))))
        .containsExactly("report data");
  }

  @Test
  void thePlatformAtLaunchCountsToo() throws IOException {
    AttestationReport r = milan();
    r.set(ReportField.LAUNCH_TCB, SnpProduct.MILAN.encode(new TcbVersion(0, 3, 0, 7, 115)));
    CommandResult found = judged(SnpProduct.MILAN, r, "--min-tcb", "snp=8");
    assertThat(failed(found)).containsExactly("least TCB");
    assertThat(line(found, "least TCB")).contains("LAUNCH_TCB").contains("launch it again");
  }

  @Test
  void aPolicyThatLetsTheHostReadIsWarnedOf() throws IOException {
    AttestationReport r = milan();
    r.set(ReportField.POLICY, 0xB0000);
    CommandResult found = judged(SnpProduct.MILAN, r);
    assertThat(failed(found)).isEmpty();
    assertThat(marked(found, "!")).containsExactly("trusted root", "debugging");
    CommandResult asked = judged(SnpProduct.MILAN, r, "--policy", "0x30000");
    assertThat(line(asked, "policy")).startsWith("✗").contains("DEBUG may not be set");
    r.set(ReportField.POLICY, 0x30134);
    assertThat(line(judged(SnpProduct.MILAN, r, "--policy", "0x30135"), "policy"))
        .startsWith("✗")
        .contains("the least ABI is 1.52");
    assertThat(failed(judged(SnpProduct.MILAN, r, "--policy", "0x30133"))).isEmpty();
    r.set(ReportField.POLICY, 0x8030000);
    assertThat(line(judged(SnpProduct.MILAN, r, "--policy", "0x30000"), "policy"))
        .contains("bits that are not known");
  }

  @Test
  void whatTheCertificateSaysMustBeWhatTheReportSays() throws IOException {
    AttestationReport chip = milan();
    chip.set(ReportField.CHIP_ID, AttestSamples.filled(64, 5));
    assertThat(failed(judged(SnpProduct.MILAN, chip))).containsExactly("chip ID");
    chip.set(ReportField.CHIP_ID, new byte[64]);
    CommandResult masked = judged(SnpProduct.MILAN, chip);
    assertThat(failed(masked)).isEmpty();
    assertThat(line(masked, "chip ID")).startsWith("! ").contains("masked");
    AttestationReport tcb = milan();
    tcb.set(ReportField.REPORTED_TCB, SnpProduct.MILAN.encode(new TcbVersion(0, 2, 0, 8, 115)));
    CommandResult other = judged(SnpProduct.MILAN, tcb);
    assertThat(failed(other)).containsExactly("TCB version");
    assertThat(line(other, "TCB version")).contains("blSPL=2&teeSPL=0&snpSPL=8&ucodeSPL=115");
    AttestationReport genoa = AttestSamples.unsigned(SnpProduct.GENOA);
    genoa.set(ReportField.CPUID_MODEL, 1);
    assertThat(failed(judged(SnpProduct.GENOA, genoa))).containsExactly("product");
    AttestationReport lent = milan();
    lent.set(ReportField.KEY_INFO, 4);
    CommandResult vlek = judged(SnpProduct.MILAN, lent);
    assertThat(failed(vlek)).containsExactly("key", "chip ID");
    assertThat(line(vlek, "chip ID")).contains("does not say to whom the VLEK was lent");
    AttestationReport nobody = milan();
    nobody.set(ReportField.KEY_INFO, 0x1C);
    assertThat(failed(judged(SnpProduct.MILAN, nobody))).containsExactly("report signature", "key");
    AttestationReport version = milan();
    version.set(ReportField.VERSION, 1);
    assertThat(failed(judged(SnpProduct.MILAN, version))).containsExactly("report format");
    AttestationReport algorithm = milan();
    algorithm.set(ReportField.SIGNATURE_ALGO, 2);
    assertThat(failed(judged(SnpProduct.MILAN, algorithm))).containsExactly("report format");
    AttestationReport host = milan();
    host.set(ReportField.VMPL, AttestationReport.HOST);
    assertThat(failed(judged(SnpProduct.MILAN, host, "--vmpl", "3"))).containsExactly("VMPL");
  }

  @ParameterizedTest
  @CsvSource({"2020-01-01, SEV-VCEK is valid from", "2031-01-01, SEV-VCEK was valid until"})
  void certificatesAreValidForATime(String day, String words) {
    CommandResult r =
        attest(
            "verify",
            real("vs_report_milan.hex"),
            real("vs_vcek_milan.der"),
            real("vs_cert_chain_milan.pem"),
            "--at",
            day);
    assertThat(failed(r)).containsExactly("validity");
    assertThat(line(r, "validity")).contains(words);
  }

  @Test
  void whatIsMissingIsSaidWithWhereItIs() {
    CommandResult none = attest("verify", real("vs_report_milan.hex"));
    assertThat(failed(none))
        .containsExactly(
            "report signature",
            "key",
            "product",
            "chip ID",
            "TCB version",
            "VCEK certificate",
            "ASK certificate",
            "ARK certificate",
            "trusted root",
            "validity");
    assertThat(line(none, "report signature"))
        .contains(
            "fetch https://kdsintf.amd.com/vcek/v1/Milan/d49554ec717f4e5b0fe6b143bcf0405bd7ae3047"
                + "27edf46603f2a76aef6a3abc15d7af38db757039029f0efacfd08e244324884738c72b082e2f87"
                + "a44d541eb6?blSPL=3&teeSPL=0&snpSPL=8&ucodeSPL=115 ");
    CommandResult wrong =
        attest(
            "verify",
            real("vs_report_milan.hex"),
            real("vs_vcek_milan.der"),
            real("vs_cert_chain_turin.pem"),
            "--at",
            DAY);
    assertThat(failed(wrong))
        .containsExactly(
            "VCEK certificate", "ASK certificate", "ARK certificate", "trusted root", "validity");
  }

  @Test
  void damagedCertificatesAreChecksThatFail() throws IOException {
    byte[] der = Files.readAllBytes(AttestSamples.real("vs_vcek_milan.der"));
    String cut = file("cut.der", Arrays.copyOf(der, 200));
    CommandResult r =
        attest(
            "verify",
            real("vs_report_milan.hex"),
            cut,
            real("vs_vcek_milan.der"),
            real("vs_cert_chain_milan.pem"),
            "--at",
            DAY);
    assertThat(failed(r)).containsExactly("certificate");
    assertThat(line(r, "certificate")).contains("cut.der is damaged: fetch it again");
    String empty = file("empty.bin", new CertificateTable().encode());
    CommandResult nothing = attest("verify", real("vs_report_milan.hex"), empty);
    assertThat(failed(nothing)).contains("certificate");
    assertThat(line(nothing, "certificate")).contains("the host gives its guests none");
    String pem = "-----BEGIN CERTIFICATE-----\nAAAA\n";
    CommandResult half =
        attest(
            "verify",
            real("vs_report_milan.hex"),
            file("half.pem", pem.getBytes(StandardCharsets.US_ASCII)));
    assertThat(line(half, "certificate")).contains("half.pem is cut off");
  }

  @Test
  void answersAsJson() {
    CommandResult r = attest("verify", real("vs_report_milan.hex"), "--json");
    assertThat(r.status()).isEqualTo(1);
    Map<String, Object> all = JsonTree.object(JsonTree.parse(r.out()));
    assertThat(all).containsEntry("schema", "vesper.attest/1").containsEntry("verdict", "failed");
    assertThat(JsonTree.object(JsonTree.array(all.get("checks")).getFirst()))
        .containsEntry("name", "report format")
        .containsEntry("state", "PASSED");
  }

  // ---- diff

  @Test
  void whatDiffersInWords() throws IOException {
    AttestationReport a = milan();
    AttestationReport b = milan();
    String first = file("a", AttestSamples.signed(SnpProduct.MILAN, a));
    CommandResult same = attest("diff", first, first);
    assertThat(same.status()).isZero();
    assertThat(same.out()).isEqualTo("the reports are equal\n");
    b.set(ReportField.POLICY, 0xA0000);
    b.set(ReportField.MEASUREMENT, AttestSamples.filled(48, 0x12));
    b.set(ReportField.LAUNCH_TCB, SnpProduct.MILAN.encode(new TcbVersion(0, 3, 0, 9, 116)));
    b.set(ReportField.CURRENT_TCB, SnpProduct.MILAN.encode(new TcbVersion(0, 3, 0, 8, 114)));
    b.set(ReportField.COMMITTED_TCB, SnpProduct.MILAN.encode(new TcbVersion(0, 4, 0, 7, 115)));
    CommandResult r = attest("diff", first, file("b", AttestSamples.signed(SnpProduct.MILAN, b)));
    assertThat(r.status()).isEqualTo(1);
    assertThat(r.out().lines())
        .containsExactly(
            "POLICY: 0x30000 in A, 0xa0000 in B (SMT clear in B, which is stricter, DEBUG set in B,"
                + " which is laxer)",
            "CURRENT_TCB: older in B: microcode 115 -> 114",
            "MEASUREMENT: launched from different things: "
                + "11".repeat(48)
                + " in A, "
                + "12".repeat(48)
                + " in B; see 'vesper measure --diff'",
            "COMMITTED_TCB: newer and older in B: boot loader 3 -> 4, SNP 8 -> 7",
            "LAUNCH_TCB: newer in B: SNP 8 -> 9, microcode 115 -> 116",
            "SIGNATURE: differs, as that of two reports always does");
    assertThat(attest("diff", first, first, "--json").out()).contains("\"differences\":[]");
  }

  @Test
  void productsThatWriteTheirTcbDifferentlyAreNotCompared() throws IOException {
    String a = file("a", milan().encode());
    String b = file("b", AttestSamples.unsigned(SnpProduct.TURIN).encode());
    assertThat(attest("diff", a, b).out())
        .contains("LAUNCH_TCB: 0x7308000000000003 in A, 0x4700000003010101 in B (two products")
        .contains("CHIP_ID: two chips");
  }

  @Test
  void bytesOfNoFieldCountToo() throws IOException {
    byte[] other = milan().encode();
    other[0x250] = 1;
    CommandResult r = attest("diff", file("a", milan().encode()), file("b", other));
    assertThat(r.status()).isEqualTo(1);
    assertThat(r.out()).isEqualTo("bytes differ that belong to no field\n");
  }

  // ---- certs

  @ParameterizedTest
  @EnumSource
  void theChainIsWrittenAndVerifies(SnpProduct p) throws Exception {
    Path to = dir.resolve("chain");
    CommandResult made = attest("certs", "-o", to.toString(), "--cpu", "EPYC-" + p.text());
    assertThat(made).isEqualTo(new CommandResult(0, "", ""));
    assertThat(to.toFile().list())
        .containsExactlyInAnyOrder(
            "ark.pem",
            "ark.der",
            "ask.pem",
            "ask.der",
            "vcek.pem",
            "vcek.der",
            "cert_chain",
            "crl",
            "certs.bin");
    String report = file("report.bin", AttestSamples.signed(p, AttestSamples.unsigned(p)));
    for (String certs :
        List.of(
            to.toString(),
            to.resolve("certs.bin").toString(),
            to.resolve("vcek.der") + "," + to.resolve("cert_chain"),
            to.resolve("vcek.pem") + "," + to.resolve("ask.pem") + "," + to.resolve("ark.pem"))) {
      assertThat(failed(attest("verify", report, "--certs", certs, "--test-chain", "--at", DAY)))
          .isEmpty();
    }
    assertThat(AttestSamples.certificate(Files.readAllBytes(to.resolve("cert_chain"))))
        .isEqualTo(AttestSamples.certificate(EndorsementChain.of(p, 1).ask()));
    CommandResult seed =
        attest("certs", "-o", to.toString(), "--seed", "2", "--cpu", "EPYC-" + p.text());
    assertThat(seed.status()).isZero();
    assertThat(failed(attest("verify", report, to.toString(), "--test-chain", "--at", DAY)))
        .contains("report signature", "chip ID");
  }

  @Test
  void aServerEndsAtItsTime() {
    CommandResult r = attest("certs", "--serve", "--timeout", "0");
    assertThat(r.status()).isZero();
    assertThat(r.out()).matches("http://127\\.0\\.0\\.1:\\d+/vcek/v1/\n");
  }

  // ---- keys that are lent, certificates that are revoked

  /** {@return a folder with certificates for a key, and a list that has some as revoked} */
  private String certs(String name, String... more) {
    String to = dir.resolve(name).toString();
    List<String> line = new ArrayList<>(List.of("certs", "-o", to));
    line.addAll(List.of(more));
    assertThat(attest(line.toArray(String[]::new))).isEqualTo(new CommandResult(0, "", ""));
    return to;
  }

  private String lent(SnpProduct p) throws IOException {
    AttestationReport r = AttestSamples.unsigned(p);
    r.set(ReportField.KEY_INFO, AttestationReport.VLEK << AttestationReport.SIGNER_SHIFT);
    r.sign(EndorsementKey.lent(p));
    return file("lent.bin", r.encode());
  }

  @ParameterizedTest
  @EnumSource
  void aReportByAKeyThatIsLent(SnpProduct p) throws IOException {
    String cpu = "EPYC-" + p.text();
    String report = lent(p);
    String to = certs("vlek", "--vlek", "--cpu", cpu);
    CommandResult r = attest("verify", report, to, "--test-chain", "--at", DAY);
    assertThat(failed(r)).isEmpty();
    assertThat(marked(r, "✓"))
        .contains("VLEK certificate", "ASVK certificate", "ARK certificate", "revocation");
    assertThat(line(r, "chip ID")).contains("this one was lent to Vesper test provider");
    CommandResult table = attest("verify", report, to + "/certs.bin", "--test-chain", "--at", DAY);
    assertThat(failed(table)).isEmpty();
    assertThat(failed(attest("verify", report, certs("vcek", "--cpu", cpu), "--at", DAY)))
        .contains("report signature", "key", "chip ID");
    assertThat(line(attest("verify", report), "report signature")).contains("take the VLEK");
  }

  @ParameterizedTest
  @CsvSource({
    "'', true, true",
    "ask, false, true",
    "vcek, false, true",
    "ark, false, false",
    "asvk, true, false",
    "'vlek,vcek', false, false",
    "'ask,asvk', false, false"
  })
  void aListIsSaidToRevokeByName(String revoked, boolean chip, boolean lent) throws IOException {
    String own = file("own.bin", AttestSamples.signed(SnpProduct.MILAN, milan()));
    String list = certs("list", "--revoke", revoked) + "/crl";
    for (boolean vlek : new boolean[] {false, true}) {
      String chain = certs("c" + vlek, vlek ? new String[] {"--vlek"} : new String[0]);
      CommandResult r =
          attest(
              "verify",
              vlek ? lent(SnpProduct.MILAN) : own,
              chain + "/cert_chain",
              chain + (vlek ? "/vlek.der" : "/vcek.der"),
              "--crl",
              list,
              "--test-chain",
              "--at",
              DAY);
      boolean good = vlek ? lent : chip;
      assertThat(failed(r)).isEqualTo(good ? List.of() : List.of("revocation"));
      assertThat(line(r, "revocation"))
          .contains(good ? "none is in the list" : " is revoked since 2025-01-01");
    }
  }

  @Test
  void aListMustBeInForceAndOfTheRoot() throws IOException {
    String own = file("own.bin", AttestSamples.signed(SnpProduct.MILAN, milan()));
    String chain = certs("chain");
    String keys = chain + "/cert_chain," + chain + "/vcek.pem";
    byte[] der = Files.readAllBytes(Path.of(chain, "crl"));
    CommandResult without = attest("verify", own, "--certs", keys, "--test-chain", "--at", DAY);
    assertThat(line(without, "revocation"))
        .startsWith("- ")
        .contains("fetch https://kdsintf.amd.com/vcek/v1/Milan/crl and name it with --crl");
    byte[] changed = der.clone();
    changed[der.length - 1] ^= 1;
    String text =
        new String(Pem.of(der), StandardCharsets.US_ASCII).replace("CERTIFICATE", "X509 CRL");
    String genoa = certs("genoa", "--cpu", "EPYC-Genoa") + "/crl";
    for (String[] l :
        new String[][] {
          {file("good.crl", der), DAY, "none is in the list"},
          {file("pem.crl", text.getBytes(StandardCharsets.US_ASCII)), DAY, "none is in the list"},
          {file("bad.crl", changed), DAY, "is not signed by ARK-Milan"},
          {file("early.crl", der), "2024-06-01", "is in force from 2025-01-01"},
          {file("late.crl", der), "2050-06-01", "was in force until 2049-12-31: fetch it again"},
          {genoa, DAY, "is of another root: fetch"}
        }) {
      CommandResult r =
          attest("verify", own, "--certs", keys, "--crl", l[0], "--test-chain", "--at", l[1]);
      assertThat(line(r, "revocation"))
          .startsWith(l[2].startsWith("none") ? "✓" : "✗")
          .contains(l[2]);
    }
  }

  /** Signatures by keys that are for something else do not count, whoever has certified them. */
  @Test
  void aKeyIsUsedForWhatItIsFor() throws IOException {
    String own = file("own.bin", AttestSamples.signed(SnpProduct.MILAN, milan()));
    Path chain = Path.of(certs("chain"));
    String vcek = chain.resolve("vcek.der").toString();
    String list = chain.resolve("crl").toString();
    byte[] ask = Files.readAllBytes(chain.resolve("ask.der"));
    byte[] ark = Files.readAllBytes(chain.resolve("ark.der"));
    String other = file("ask", used(ask, "03020204", "03020280"));
    CommandResult r =
        attest("verify", own, vcek, other, file("ark", ark), "--test-chain", "--at", DAY);
    assertThat(line(r, "VCEK certificate")).contains("may sign no certificates (key usage)");
    String noLists = file("noLists", used(ark, "03020106", "03020104"));
    CommandResult l =
        attest("verify", own, vcek, file("ask", ask), noLists, list, "--test-chain", "--at", DAY);
    assertThat(line(l, "revocation")).contains("by a root that may sign none (key usage)");
  }

  /** {@return a certificate with another BIT STRING of its key's usage} */
  private static byte[] used(byte[] der, String usage, String other) {
    String hex = HexFormat.of().formatHex(der);
    assertThat(hex.split("551d0f0101ff0404" + usage, -1)).hasSize(2);
    return HexFormat.of()
        .parseHex(hex.replace("551d0f0101ff0404" + usage, "551d0f0101ff0404" + other));
  }

  private static byte[] joined(byte[]... parts) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (byte[] p : parts) {
      out.writeBytes(p);
    }
    return out.toByteArray();
  }

  /** What nobody reads could be what revokes: all of a file counts, or it is damaged. */
  @Test
  void severalInAFileAllCount() throws IOException {
    String own = file("own.bin", AttestSamples.signed(SnpProduct.MILAN, milan()));
    Path chain = Path.of(certs("chain"));
    byte[] vcek = Files.readAllBytes(chain.resolve("vcek.der"));
    byte[] ask = Files.readAllBytes(chain.resolve("ask.der"));
    byte[] ark = Files.readAllBytes(chain.resolve("ark.der"));
    String keys = file("keys.der", joined(vcek, ask, ark));
    byte[] good = Files.readAllBytes(chain.resolve("crl"));
    byte[] bad = Files.readAllBytes(Path.of(certs("bad", "--revoke", "vcek"), "crl"));
    byte[] half = "-----BEGIN X509 CRL-----\nAAAA\n".getBytes(StandardCharsets.US_ASCII);
    byte[] pem =
        new String(Pem.of(good), StandardCharsets.US_ASCII)
            .replace("CERTIFICATE", "X509 CRL")
            .getBytes(StandardCharsets.US_ASCII);
    byte[] table =
        new CertificateTable().with(CertificateTable.CRL, joined(good, new byte[4])).encode();
    Map<String, String> wanted =
        Map.of(
            file("one.crl", good), "",
            file("two.crl", joined(good, bad)), "revocation: VCEK is revoked",
            file("behind.crl", joined(good, new byte[4])), "certificate: is damaged",
            file("text.crl", joined(good, "\n".getBytes(StandardCharsets.US_ASCII))),
                "certificate: is damaged",
            file("half.crl", joined(pem, half)), "certificate: is cut off",
            file("table.bin", table), "certificate: (bytes behind it: 4)");
    wanted.forEach(
        (list, words) -> {
          CommandResult r = attest("verify", own, keys, list, "--test-chain", "--at", DAY);
          String[] w = words.split(": ", 2);
          assertThat(failed(r)).as(list).isEqualTo(words.isEmpty() ? List.of() : List.of(w[0]));
          assertThat(words.isEmpty() ? "" : line(r, w[0])).contains(w[w.length - 1]);
        });
  }

  // ---- mistakes

  @ParameterizedTest
  @CsvSource({
    "'', 'needs report, verify, diff or certs first'",
    "explain x, not 'explain'",
    "report, takes one file",
    "report a b, takes one file",
    "report nofile, no such file",
    "report REPORT --policy 1, --policy is for 'attest verify'",
    "report REPORT --seed 1, --seed is for 'attest certs'",
    "verify, needs a report",
    "verify REPORT --certs nofile, no such file",
    "verify REPORT REPORT, is no certificate in DER or PEM",
    "verify REPORT --ark REPORT, is no certificate in DER or PEM",
    "verify REPORT --ark CHAIN, 'it has 2 certificates, not one root'",
    "verify REPORT --crl nofile, no such file",
    "verify REPORT --crl CHAIN, it is no list of revoked certificates",
    "verify REPORT --crl REPORT, it is no list of revoked certificates",
    "verify REPORT --at yesterday, such as 2026-11-30",
    "verify REPORT --vmpl 4, --vmpl takes 0 to 3",
    "verify REPORT --svn -1, --svn takes 0",
    "verify REPORT --min-tcb 7, --min-tcb takes levels such as",
    "'verify REPORT --min-tcb bl=1,bl=2', --min-tcb takes levels such as",
    "verify REPORT --min-tcb bl=256, --min-tcb takes levels such as",
    "verify REPORT --measurement 12, --measurement takes 48 bytes in hex",
    "verify REPORT --host-data xy, --host-data takes 32 bytes in hex",
    "verify REPORT --policy many, many",
    "verify REPORT -o x, -o is for 'attest certs'",
    "diff REPORT, takes two reports",
    "diff REPORT nofile, no such file",
    "certs, needs -o DIR or --serve",
    "certs x -o y, takes no files",
    "certs -o y --revoke vcek;x, 'takes vcek, ask, vlek, asvk and ark'",
    "report REPORT --vlek, --vlek is for 'attest certs'",
    "certs -o y --cpu EPYC-Rome, 'EPYC-Milan, EPYC-Genoa or EPYC-Turin'",
    "certs -o /proc/nodir/x, cannot write to /proc/nodir/x",
    "certs --serve=0.0.0.0:80, takes 127.0.0.1:PORT",
    "certs --serve=99999, takes 127.0.0.1:PORT",
    "certs -o y --timeout 1, --timeout is the time",
    "certs --serve --timeout=-1, --timeout is the time",
    "report REPORT --sandbox maybe, on or off"
  })
  void mistakesAreOneLine(String words, String said) {
    List<String> line = new ArrayList<>();
    for (String w : words.split(" ")) {
      if (!w.isEmpty()) {
        line.add(
            w.equals("REPORT")
                ? real("vs_report_milan.hex")
                : w.equals("CHAIN")
                    ? real("vs_cert_chain_milan.pem")
                    : w.replace("'", "").replaceFirst("^y$", dir.resolve("y").toString()));
      }
    }
    CommandResult r = attest(line.toArray(String[]::new));
    assertThat(r.status()).as(r.err()).isEqualTo(2);
    assertThat(r.out()).isEmpty();
    assertThat(r.err()).startsWith("vesper: ").contains(said).hasLineCount(1);
    assertThat(dir.resolve("y")).doesNotExist();
  }
}
