package dev.vesper.machine.launch;

import java.io.ByteArrayOutputStream;

/**
 * The keys by which a platform identifies itself: PDH, signed by PEK, which OCA and CEK sign. A
 * seed decides them, so that a session made today fits a run tomorrow. AMD's roots are not among
 * them: nobody else can sign a CEK.
 */
public final class PlatformKeys {
  private final EllipticKey pdh;
  private final EllipticKey pek;
  private final SevCertificate certificate;
  private final byte[] chain;

  /** Makes the keys of a platform. */
  public PlatformKeys(long seed) {
    ApiVersion api = ApiVersion.CURRENT;
    pdh = EllipticKey.seeded("PDH", seed);
    pek = EllipticKey.seeded("PEK", seed);
    EllipticKey oca = EllipticKey.seeded("OCA", seed);
    EllipticKey cek = EllipticKey.seeded("CEK", seed);
    certificate =
        SevCertificate.of(pdh.point(), SevCertificate.Usage.PDH, api)
            .signed(0, SevCertificate.Usage.PEK, pek);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(certificate.encode());
    out.writeBytes(
        SevCertificate.of(pek.point(), SevCertificate.Usage.PEK, api)
            .signed(0, SevCertificate.Usage.OCA, oca)
            .signed(1, SevCertificate.Usage.CEK, cek)
            .encode());
    out.writeBytes(
        SevCertificate.of(oca.point(), SevCertificate.Usage.OCA, api)
            .signed(0, SevCertificate.Usage.OCA, oca)
            .encode());
    out.writeBytes(SevCertificate.of(cek.point(), SevCertificate.Usage.CEK, api).encode());
    chain = out.toByteArray();
  }

  /** PDH_CERT_EXPORT: {@return the certificate of the Diffie-Hellman key} */
  public SevCertificate certificate() {
    return certificate;
  }

  /** PDH_CERT_EXPORT: {@return the certificates of PDH, PEK, OCA and CEK, one behind the other} */
  public byte[] chain() {
    return chain.clone();
  }

  /** ATTESTATION: {@return the PEK's signature, R and S, 72 bytes each, little endian} */
  byte[] signReport(byte[] message) {
    return SevCertificate.signature(pek.sign(message));
  }

  /** {@return the secret shared with whoever holds the key of a certificate} */
  public byte[] agree(SevCertificate other) {
    return pdh.agree(other.point());
  }
}
