package dev.vesper.machine.launch;

import java.security.interfaces.ECPublicKey;
import java.util.Arrays;

/**
 * What the secure processor says of a guest and signs: 0x4A0 bytes, of which the first 0x2A0 are
 * signed (spec: snp 7.4). {@link ReportField} has its fields.
 */
public final class AttestationReport {
  /** Bytes of a report. */
  public static final int BYTES = 0x4A0;

  /** Bytes of it that are signed: those in front of the signature. */
  public static final int SIGNED_BYTES = 0x2A0;

  /** {@link ReportField#VMPL} of a report that the host has asked for. */
  public static final int HOST = -1;

  /** Bit of {@link ReportField#KEY_INFO}: the author key has signed the ID key. */
  public static final int AUTHOR_KEY = 1;

  /** Where {@link ReportField#KEY_INFO} says who signs. */
  public static final int SIGNER_SHIFT = 2;

  /** The key of chip and TCB version signs. */
  public static final int VCEK = 0;

  /** A key that AMD has lent to who runs the machine signs. */
  public static final int VLEK = 1;

  /** Nobody signs. */
  public static final int NOBODY = 7;

  private final byte[] bytes;

  /** A report without anything. */
  public AttestationReport() {
    bytes = new byte[BYTES];
  }

  /**
   * Takes a report's bytes.
   *
   * @throws IllegalArgumentException if there are not as many as a report has
   */
  public AttestationReport(byte[] b) {
    if (b.length != BYTES) {
      throw new IllegalArgumentException("a report has 1184 bytes, not " + b.length);
    }
    bytes = b.clone();
  }

  /** {@return the bytes} */
  public byte[] encode() {
    return bytes.clone();
  }

  /** {@return the bytes of a field} */
  public byte[] get(ReportField f) {
    return Arrays.copyOfRange(bytes, f.offset(), f.offset() + f.bytes());
  }

  /** {@return a field of at most eight bytes as a number} */
  public long number(ReportField f) {
    long v = 0;
    for (int i = f.bytes() - 1; i >= 0; i--) {
      v = v << 8 | bytes[f.offset() + i] & 0xFF;
    }
    return v;
  }

  /** Sets the beginning of a field. */
  public void set(ReportField f, byte[] value) {
    assert value.length <= f.bytes() : f;
    System.arraycopy(value, 0, bytes, f.offset(), value.length);
  }

  /** Sets a field of at most eight bytes. */
  public void set(ReportField f, long value) {
    for (int i = 0; i < f.bytes(); i++) {
      bytes[f.offset() + i] = (byte) (value >>> 8 * i);
    }
  }

  /** Signs what is there by ECDSA on P-384 with SHA-384. */
  public void sign(EndorsementKey key) {
    set(ReportField.SIGNATURE, key.sign(Arrays.copyOf(bytes, SIGNED_BYTES)));
  }

  /** {@return whether a key has signed what is there} */
  public boolean signedBy(ECPublicKey key) {
    return key.getParams().getOrder().equals(EllipticKey.ORDER)
        && EllipticKey.verifyPadded(
            key.getW(), Arrays.copyOf(bytes, SIGNED_BYTES), get(ReportField.SIGNATURE));
  }
}
