package dev.vesper.machine.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.security.AlgorithmParameters;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/**
 * The report of ATTESTATION, taken apart at the offsets of AMD's sev-tool (sevapi.h,
 * sev_attestation_report) and of virtee's LegacyAttestationReport.
 */
final class SevReportTest {
  private static final byte[] NONCE = bytes(0x50, 16);
  private static final byte[] DIGEST = bytes(0x80, 32);
  private static final int FIELD = 72;

  private static byte[] bytes(int from, int n) {
    byte[] b = new byte[n];
    for (int i = 0; i < n; i++) {
      b[i] = (byte) (from + i);
    }
    return b;
  }

  private static SevReport report(PlatformKeys by) {
    return SevReport.of(by, new GuestPolicy(5), DIGEST, NONCE);
  }

  private static SevCertificate pek(PlatformKeys of) {
    return SevCertificate.parse(
        Arrays.copyOfRange(of.chain(), SevCertificate.BYTES, 2 * SevCertificate.BYTES));
  }

  private static byte[] big(byte[] b, int at, int n) {
    byte[] big = new byte[n];
    for (int i = 0; i < n; i++) {
      big[i] = b[at + n - 1 - i];
    }
    return big;
  }

  @Test
  void fieldsAreWhereOthersReadThem() {
    byte[] b = report(new PlatformKeys(3)).encode();
    assertThat(b).hasSize(208).startsWith(NONCE);
    assertThat(Arrays.copyOfRange(b, 16, 48)).isEqualTo(DIGEST);
    // POLICY, SIG1_USAGE of a PEK, SIG1_ALGO of ECDSA with SHA-256, and what is reserved.
    assertThat(Arrays.copyOfRange(b, 48, 64))
        .isEqualTo(new byte[] {5, 0, 0, 0, 2, 0x10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0});
    SevReport r = SevReport.parse(b);
    assertThat(r.nonce()).isEqualTo(NONCE);
    assertThat(r.launchDigest()).isEqualTo(DIGEST);
    assertThat(r.policy()).isEqualTo(new GuestPolicy(5));
    assertThatThrownBy(() -> SevReport.parse(new byte[207])).hasMessageContaining("208");
  }

  /** With the key as it lies in the certificate that the host exports, and nothing of ours. */
  @Test
  void theSignatureIsThatOfThePlatformsPek() throws Exception {
    PlatformKeys platform = new PlatformKeys(3);
    byte[] r = report(platform).encode();
    byte[] c = pek(platform).encode();
    AlgorithmParameters curve = AlgorithmParameters.getInstance("EC");
    curve.init(new ECGenParameterSpec("secp384r1"));
    ECPoint point =
        new ECPoint(
            new BigInteger(1, big(c, 0x14, FIELD)), new BigInteger(1, big(c, 0x14 + FIELD, FIELD)));
    PublicKey key =
        KeyFactory.getInstance("EC")
            .generatePublic(
                new ECPublicKeySpec(point, curve.getParameterSpec(ECParameterSpec.class)));
    ByteArrayOutputStream rs = new ByteArrayOutputStream();
    rs.writeBytes(big(r, 0x40, 48));
    rs.writeBytes(big(r, 0x40 + FIELD, 48));
    Signature s = Signature.getInstance("SHA256withECDSAinP1363Format");
    s.initVerify(key);
    s.update(r, 0, 0x34);
    assertThat(s.verify(rs.toByteArray())).isTrue();
  }

  @Test
  void aChangedReportAndAnotherPlatformAreNotBelieved() {
    PlatformKeys platform = new PlatformKeys(3);
    SevReport r = report(platform);
    assertThat(r.signedBy(pek(platform))).isTrue();
    assertThat(r.signedBy(pek(new PlatformKeys(4)))).isFalse();
    // All that is signed, who has signed and how, and the signature.
    for (int at = 0; at < 0x40 + 48; at += at == 0x3B ? 5 : 1) {
      byte[] b = r.encode();
      b[at] ^= 1;
      assertThat(SevReport.parse(b).signedBy(pek(platform))).as("byte %d", at).isFalse();
    }
  }
}
