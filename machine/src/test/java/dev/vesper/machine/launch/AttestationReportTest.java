package dev.vesper.machine.launch;

import static dev.vesper.machine.launch.SnpVectors.hex;
import static dev.vesper.machine.launch.SnpVectors.text;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.machine.observe.format.JsonTree;
import java.io.ByteArrayInputStream;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.security.cert.CertificateFactory;
import java.security.interfaces.ECPublicKey;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Attestation reports against vectors, and one of a real Milan processor (spec: snp 7.4). */
final class AttestationReportTest {
  private static final Map<String, Object> VECTOR = SnpVectors.file("reports.json");

  private static AttestationReport vector(String name) {
    return new AttestationReport(hex(text(JsonTree.object(VECTOR.get("reports")), name)));
  }

  private static EndorsementKey chip() {
    BigInteger d = new BigInteger(text(JsonTree.object(VECTOR.get("vcek")), "d"), 16);
    return EndorsementKey.of(SnpProduct.MILAN, new byte[64], d);
  }

  private static AttestationReport milan() {
    String s = new String(SnpVectors.bytes("vs_report_milan.hex"), StandardCharsets.UTF_8);
    return new AttestationReport(hex(s));
  }

  private static ECPublicKey certified(String file) throws Exception {
    return (ECPublicKey)
        CertificateFactory.getInstance("X.509")
            .generateCertificate(new ByteArrayInputStream(SnpVectors.bytes(file)))
            .getPublicKey();
  }

  /** ECDSA by RFC 6979: each report byte for byte. */
  @ParameterizedTest
  @ValueSource(strings = {"v2", "v2_plain", "v3", "v5"})
  void aVectorSignedAgainIsTheVector(String name) {
    AttestationReport v = vector(name);
    AttestationReport r = new AttestationReport(v.encode());
    r.set(ReportField.SIGNATURE, new byte[512]);
    assertThat(r.signedBy(chip().publicKey())).isFalse();
    r.sign(chip());
    assertThat(r.encode()).isEqualTo(v.encode());
    assertThat(r.signedBy(chip().publicKey())).isTrue();
  }

  @ParameterizedTest
  @CsvSource({
    "v2, VERSION, 2",
    "v2, GUEST_SVN, 7",
    "v2, POLICY, 0x30000",
    "v2, KEY_INFO, 1",
    "v2, CURRENT_TCB, 0x7308000000000003",
    "v2, LAUNCH_TCB, 0x7308000000000003",
    "v3, CPUID_FAMILY, 0x19",
    "v3, CPUID_MODEL, 0x11",
    "v3, CPUID_STEPPING, 0",
    "v5, PLATFORM_INFO, 0x21",
    "v5, LAUNCH_MIT_VECTOR, 0xf",
    "v5, CURRENT_MIT_VECTOR, 0xf",
    "v2, COMMITTED_MAJOR, 1",
    "v2, COMMITTED_MINOR, 0x37",
    "v2_unsigned, KEY_INFO, 0x1f"
  })
  void fieldsAreWhereTheVectorsHaveThem(String name, ReportField f, String value) {
    assertThat(vector(name).number(f)).isEqualTo(Long.decode(value));
  }

  @Test
  void fieldsDoNotOverlap() {
    byte[] taken = new byte[AttestationReport.BYTES];
    for (ReportField f : ReportField.values()) {
      for (int i = f.offset(); i < f.offset() + f.bytes(); i++) {
        assertThat(taken[i]++).as("byte 0x%x of %s", i, f).isZero();
      }
    }
  }

  @Test
  void aRealMilansReportIsSignedByItsKey() throws Exception {
    AttestationReport r = milan();
    assertThat(r.signedBy(certified("vs_vcek_milan.der"))).isTrue();
    assertThat(r.signedBy(certified("vs_vcek_turin.der"))).isFalse();
    assertThat(SnpProduct.MILAN.decode(r.number(ReportField.CURRENT_TCB)))
        .isEqualTo(new TcbVersion(0, 3, 0, 8, 0x73));
  }

  @Test
  void anyBitOfWhatIsSignedOrOfTheSignatureBreaksIt() throws Exception {
    ECPublicKey key = certified("vs_vcek_milan.der");
    int[] places = {0, 0x30, 0x50, 0x91, 0x1A0, 0x29F, 0x2A0, 0x2A0 + 47, 0x2A0 + 60, 0x2E8, 0x49F};
    for (int at : places) {
      byte[] b = milan().encode();
      b[at] ^= 0x10;
      assertThat(new AttestationReport(b).signedBy(key)).as("0x%x", at).isFalse();
    }
  }

  @Test
  void aReportHasItsSize() {
    byte[] b = milan().encode();
    assertThatThrownBy(() -> new AttestationReport(Arrays.copyOf(b, b.length - 1)))
        .hasMessage("a report has 1184 bytes, not 1183");
  }

  @ParameterizedTest
  @CsvSource({
    "0xa00f11, MILAN",
    "0xa10f11, GENOA",
    "0xaa0f02, GENOA",
    "0xb00f21, TURIN",
    "0x800f12, MILAN"
  })
  void productsByTheirSignature(String signature, SnpProduct product) {
    assertThat(SnpProduct.of(Integer.decode(signature))).isEqualTo(product);
  }

  @Test
  void wordsOfTcbVersions() {
    TcbVersion v = new TcbVersion(1, 2, 3, 4, 0x85);
    assertThat(SnpProduct.TURIN.encode(v)).isEqualTo(0x8500_0000_0403_0201L);
    assertThat(SnpProduct.TURIN.decode(0x8500_0000_0403_0201L)).isEqualTo(v);
    assertThat(SnpProduct.GENOA.encode(v)).isEqualTo(0x8504_0000_0000_0302L);
    assertThat(SnpProduct.GENOA.decode(0x8504_0000_0000_0302L))
        .isEqualTo(new TcbVersion(0, 2, 3, 4, 0x85));
    assertThat(v.notAbove(v)).isTrue();
    assertThat(v.notAbove(new TcbVersion(1, 2, 3, 3, 0xFF))).isFalse();
    assertThatThrownBy(() -> new TcbVersion(0, 0, 0, 0, 256)).hasMessageContaining("bytes");
  }

  @Test
  void aChipIsThatOfItsSeed() {
    EndorsementKey one = EndorsementKey.of(SnpProduct.TURIN, 1);
    assertThat(one.publicKey()).isEqualTo(EndorsementKey.of(SnpProduct.TURIN, 1).publicKey());
    assertThat(one.publicKey()).isNotEqualTo(EndorsementKey.of(SnpProduct.TURIN, 2).publicKey());
    assertThat(one.publicKey()).isNotEqualTo(EndorsementKey.of(SnpProduct.GENOA, 1).publicKey());
    assertThat(Arrays.copyOfRange(one.chipId(), 8, 64)).containsOnly(0);
    assertThat(one.root(new TcbVersion(0, 1, 0, 0, 0)))
        .isNotEqualTo(one.root(new TcbVersion(0, 2, 0, 0, 0)));
  }
}
