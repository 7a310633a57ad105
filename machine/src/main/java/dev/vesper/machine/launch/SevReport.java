package dev.vesper.machine.launch;

import java.util.Arrays;

/**
 * The attestation report of a guest under SEV or SEV-ES, which its host asks for (SEV API,
 * ATTESTATION; spec: launch, 3.3). That of SEV-SNP is {@link AttestationReport}.
 *
 * <p>Layout, 208 bytes, little endian: MNONCE 16 bytes at 0, LAUNCH_DIGEST 32 at 10, POLICY u32 at
 * 30, SIG1_USAGE u32 at 34, SIG1_ALGO u32 at 38, reserved u32 at 3C, SIG1 144 at 40 (R 72, S 72).
 * The signature is the PEK's and covers what lies before 34.
 */
public final class SevReport {
  /** Bytes of a report. */
  public static final int BYTES = 0xD0;

  /** Bytes of MNONCE. */
  public static final int NONCE_BYTES = 16;

  private static final int DIGEST = 0x10;
  private static final int DIGEST_BYTES = 32;
  private static final int POLICY = 0x30;
  private static final int SIGNED = 0x34;
  private static final int ALGORITHM = 0x38;
  private static final int SIGNATURE = 0x40;

  private final byte[] bytes;

  private SevReport(byte[] bytes) {
    this.bytes = bytes;
  }

  /**
   * {@return a report that a platform has signed}
   *
   * @param nonce MNONCE, 16 bytes of whoever asks
   * @param launchDigest SHA-256 of all that was launched
   */
  public static SevReport of(
      PlatformKeys by, GuestPolicy policy, byte[] launchDigest, byte[] nonce) {
    byte[] b = new byte[BYTES];
    System.arraycopy(nonce, 0, b, 0, NONCE_BYTES);
    System.arraycopy(launchDigest, 0, b, DIGEST, DIGEST_BYTES);
    System.arraycopy(SevCrypto.littleEndian(policy.bits()), 0, b, POLICY, 4);
    byte[] signature = by.signReport(Arrays.copyOf(b, SIGNED));
    System.arraycopy(SevCrypto.littleEndian(SevCertificate.Usage.PEK.code), 0, b, SIGNED, 4);
    System.arraycopy(SevCrypto.littleEndian(SevCertificate.ECDSA_SHA256), 0, b, ALGORITHM, 4);
    System.arraycopy(signature, 0, b, SIGNATURE, signature.length);
    return new SevReport(b);
  }

  /**
   * {@return a report from its bytes}
   *
   * @throws IllegalArgumentException if there are not 208
   */
  public static SevReport parse(byte[] b) {
    if (b.length != BYTES) {
      throw new IllegalArgumentException(
          "an attestation report of SEV has " + BYTES + " bytes, not " + b.length);
    }
    return new SevReport(b.clone());
  }

  /** {@return the bytes} */
  public byte[] encode() {
    return bytes.clone();
  }

  /** {@return MNONCE, 16 bytes} */
  public byte[] nonce() {
    return Arrays.copyOf(bytes, NONCE_BYTES);
  }

  /** {@return SHA-256 of all that was launched, 32 bytes} */
  public byte[] launchDigest() {
    return Arrays.copyOfRange(bytes, DIGEST, DIGEST + DIGEST_BYTES);
  }

  /** {@return the guest's policy} */
  public GuestPolicy policy() {
    return new GuestPolicy(LittleEndian.u32(bytes, POLICY));
  }

  /** {@return whether it is signed by the key of a certificate, which is a platform's PEK} */
  public boolean signedBy(SevCertificate pek) {
    return LittleEndian.u32(bytes, SIGNED) == SevCertificate.Usage.PEK.code
        && LittleEndian.u32(bytes, ALGORITHM) == SevCertificate.ECDSA_SHA256
        && pek.hasSigned(Arrays.copyOf(bytes, SIGNED), bytes, SIGNATURE);
  }
}
