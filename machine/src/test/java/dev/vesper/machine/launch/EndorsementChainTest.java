package dev.vesper.machine.launch;

import static dev.vesper.machine.launch.SnpVectors.hex;
import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.security.SignatureException;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509CRL;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The test chain beside what AMD's key service gives (spec: snp 7.5, 7.6). */
final class EndorsementChainTest {
  private static X509Certificate certificate(byte[] der) throws CertificateException {
    return (X509Certificate)
        CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(der));
  }

  @ParameterizedTest
  @EnumSource
  void theChainVerifiesAndSaysThatItIsOneForTests(SnpProduct product) throws Exception {
    EndorsementChain c = EndorsementChain.of(product, 7);
    X509Certificate ark = certificate(c.ark());
    X509Certificate ask = certificate(c.ask());
    X509Certificate vcek = certificate(c.vcek());
    ark.verify(ark.getPublicKey());
    ask.verify(ark.getPublicKey());
    vcek.verify(ask.getPublicKey());
    assertThatThrownBy(() -> vcek.verify(ark.getPublicKey()))
        .isInstanceOf(SignatureException.class);
    assertThat(vcek.getPublicKey()).isEqualTo(EndorsementKey.of(product, 7).publicKey());
    for (X509Certificate x : new X509Certificate[] {ark, ask, vcek}) {
      assertThat(x.getSubjectX500Principal().toString())
          .contains(EndorsementChain.DESCRIPTION, "O=Advanced Micro Devices");
      x.checkValidity();
    }
    assertThat(ark.getSubjectX500Principal().toString()).contains("CN=ARK-" + product.text());
    assertThat(ask.getSubjectX500Principal().toString()).contains("CN=SEV-" + product.text());
    assertThat(vcek.getSubjectX500Principal().toString()).contains("CN=SEV-VCEK");
    assertThat(ask.getBasicConstraints()).isZero();
    assertThat(vcek.getBasicConstraints()).isEqualTo(-1);
  }

  /**
   * Extensions as the real one of the same product has them, but for what differs from chip to
   * chip.
   */
  @Test
  void aChipsExtensionsAreThoseOfARealOne() throws Exception {
    for (SnpProduct p : new SnpProduct[] {SnpProduct.MILAN, SnpProduct.TURIN}) {
      X509Certificate real =
          certificate(SnpVectors.bytes("vs_vcek_" + p.text().toLowerCase() + ".der"));
      X509Certificate ours = certificate(EndorsementChain.of(p, 1).vcek());
      assertThat(ours.getNonCriticalExtensionOIDs())
          .containsExactlyInAnyOrderElementsOf(real.getNonCriticalExtensionOIDs());
      assertThat(ours.getSigAlgOID()).isEqualTo(real.getSigAlgOID());
      assertThat(ours.getSigAlgParams())
          .hasSameSizeAs(certificate(EndorsementChain.of(p, 2).vcek()).getSigAlgParams());
      for (String oid : new String[] {"1", "2", "3.5", "3.6", "3.7"}) {
        String o = "1.3.6.1.4.1.3704.1." + oid;
        assertThat(ours.getExtensionValue(o)).as(o).isEqualTo(real.getExtensionValue(o));
      }
      byte[] id = ours.getExtensionValue("1.3.6.1.4.1.3704.1.4");
      assertThat(id).hasSameSizeAs(real.getExtensionValue("1.3.6.1.4.1.3704.1.4"));
      assertThat(Arrays.copyOfRange(id, 2, id.length))
          .isEqualTo(Arrays.copyOf(EndorsementKey.of(p, 1).chipId(), p.chipIdBytes()));
    }
  }

  /** A provider's key is the same on all chips, of none, and signed by who signs such alone. */
  @ParameterizedTest
  @EnumSource
  void aKeyThatIsLent(SnpProduct product) throws Exception {
    EndorsementChain c = EndorsementChain.of(product, 7);
    X509Certificate vlek = certificate(c.certificate(EndorsementChain.Part.VLEK));
    X509Certificate asvk = certificate(c.certificate(EndorsementChain.Part.ASVK));
    asvk.verify(certificate(c.ark()).getPublicKey());
    vlek.verify(asvk.getPublicKey());
    assertThat(vlek.getSubjectX500Principal().toString()).contains("CN=SEV-VLEK");
    assertThat(asvk.getSubjectX500Principal().toString()).contains("CN=SEV-VLEK-" + product.text());
    assertThat(vlek.getExtensionValue("1.3.6.1.4.1.3704.1.4")).isNull();
    assertThat(new String(vlek.getExtensionValue("1.3.6.1.4.1.3704.1.5"), US_ASCII))
        .endsWith(EndorsementChain.LENT_TO);
    assertThat(EndorsementChain.of(product, 8).certificate(EndorsementChain.Part.VLEK))
        .isEqualTo(c.certificate(EndorsementChain.Part.VLEK));
    assertThat(vlek.getPublicKey()).isEqualTo(EndorsementKey.lent(product).publicKey());
  }

  @Test
  void aListHasWhatIsRevoked() throws Exception {
    EndorsementChain c = EndorsementChain.of(SnpProduct.MILAN, 1);
    for (EndorsementChain.Part revoked : EndorsementChain.Part.values()) {
      X509CRL list =
          (X509CRL)
              CertificateFactory.getInstance("X.509")
                  .generateCRL(new ByteArrayInputStream(c.revoked(Set.of(revoked))));
      list.verify(certificate(c.ark()).getPublicKey());
      for (EndorsementChain.Part p : EndorsementChain.Part.values()) {
        assertThat(list.getRevokedCertificate(certificate(c.certificate(p))) != null)
            .as(revoked + " " + p)
            .isEqualTo(p == revoked);
      }
    }
  }

  /** No byte comes from anywhere but product and seed. */
  @Test
  void aChainIsAlwaysTheSame() {
    EndorsementChain one = EndorsementChain.of(SnpProduct.MILAN, 1);
    assertThat(hex(SevCrypto.sha256(one.ark(), one.ask(), one.vcek())))
        .isEqualTo("c5fc0d293df718ad824fdcdeda509cad07a997e3189ccb475db0ccc410644d15");
    EndorsementChain two = EndorsementChain.of(SnpProduct.MILAN, 2);
    assertThat(two.ark()).isEqualTo(one.ark());
    assertThat(two.ask()).isEqualTo(one.ask());
    assertThat(two.vcek()).isNotEqualTo(one.vcek());
  }

  @Test
  void theTableOfAnExtendedRequest() {
    EndorsementChain c = EndorsementChain.of(SnpProduct.MILAN, 1);
    byte[] b = c.table();
    assertThat(hex(Arrays.copyOf(b, 16))).isEqualTo("63da758de6644564adc5f4b93be8accd");
    CertificateTable t = CertificateTable.parse(Arrays.copyOf(b, 0x4000));
    assertThat(t.entries())
        .extracting(CertificateTable.Entry::guid)
        .containsExactly(
            CertificateTable.VCEK,
            CertificateTable.ASK,
            CertificateTable.ARK,
            CertificateTable.CRL);
    assertThat(CertificateTable.parse(c.lentTable()).entries().get(0).bytes())
        .isEqualTo(c.certificate(EndorsementChain.Part.VLEK));
    assertThat(t.entries().get(2).bytes()).isEqualTo(c.ark());
    assertThat(t.encode()).isEqualTo(b);
    assertThat(CertificateTable.parse(new byte[24]).entries()).isEmpty();
    assertThatThrownBy(() -> CertificateTable.parse(new byte[23]))
        .hasMessage("the certificate table has no end");
    assertThatThrownBy(() -> CertificateTable.parse(new byte[0x4001]))
        .hasMessage("a certificate table has at most 16384 bytes, not 16385");
    b[16] = (byte) 0xFF;
    b[19] = 0x7F;
    assertThatThrownBy(() -> CertificateTable.parse(b))
        .hasMessageStartingWith("certificate 63da758d-e664-4564-adc5-f4b93be8accd does not lie");
  }
}
