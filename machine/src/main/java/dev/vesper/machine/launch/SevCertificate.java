package dev.vesper.machine.launch;

import java.math.BigInteger;
import java.security.spec.ECPoint;
import java.util.Arrays;

/**
 * A certificate of the SEV API with a key on P-384 (SEV API appendix C.1; AMDESE/sev-tool
 * sevapi.h).
 *
 * <p>Layout, 2084 bytes, little endian: VERSION u32 at 0, API_MAJOR 4, API_MINOR 5, PUBKEY_USAGE
 * u32 at 8, PUBKEY_ALGO u32 at 0xC, PUBKEY 1028 bytes at 0x10 (CURVE u32, QX 72, QY 72), then two
 * signatures at 0x414 and 0x61C, each USAGE u32, ALGO u32 and 512 bytes (R 72, S 72). A signature
 * covers what lies before 0x414.
 */
public final class SevCertificate {
  /** Bytes of a certificate. */
  public static final int BYTES = 2084;

  /** Whose key a certificate holds, and at which number. */
  public enum Usage {
    /** Nobody's: an unused signature. */
    INVALID(0x1000),
    /** The owner's certificate authority. */
    OCA(0x1001),
    /** The platform's endorsement key. */
    PEK(0x1002),
    /** A Diffie-Hellman key, of a platform or of a guest's owner. */
    PDH(0x1003),
    /** The chip's endorsement key. */
    CEK(0x1004);

    final int code;

    Usage(int code) {
      this.code = code;
    }
  }

  private static final int KEY = 0x10;
  private static final int FIELD = 72;
  private static final int SIGNED = 0x414;
  private static final int[] SIGNATURES = {0x414, 0x61C};
  private static final int P384 = 2;
  static final int ECDSA_SHA256 = 2;
  private static final int ECDH_SHA256 = 3;

  private final byte[] bytes;

  private SevCertificate(byte[] bytes) {
    this.bytes = bytes;
  }

  static SevCertificate of(ECPoint key, Usage usage, ApiVersion api) {
    byte[] b = new byte[BYTES];
    put(b, 0, 1);
    b[4] = (byte) api.major();
    b[5] = (byte) api.minor();
    put(b, 8, usage.code);
    put(b, 0xC, usage == Usage.PDH ? ECDH_SHA256 : ECDSA_SHA256);
    put(b, KEY, P384);
    number(b, KEY + 4, key.getAffineX());
    number(b, KEY + 4 + FIELD, key.getAffineY());
    for (int s : SIGNATURES) {
      put(b, s, Usage.INVALID.code);
    }
    return new SevCertificate(b);
  }

  /** {@return this certificate, signed in one of its two places} */
  SevCertificate signed(int place, Usage by, EllipticKey key) {
    byte[] b = bytes.clone();
    int at = SIGNATURES[place];
    byte[] rs = signature(key.sign(Arrays.copyOf(bytes, SIGNED)));
    put(b, at, by.code);
    put(b, at + 4, ECDSA_SHA256);
    System.arraycopy(rs, 0, b, at + 8, rs.length);
    return new SevCertificate(b);
  }

  /** {@return a signature as this API writes it: R and S, 72 bytes each, little endian} */
  static byte[] signature(byte[] rs) {
    byte[] b = new byte[2 * FIELD];
    number(b, 0, new BigInteger(1, Arrays.copyOf(rs, rs.length / 2)));
    number(b, FIELD, new BigInteger(1, Arrays.copyOfRange(rs, rs.length / 2, rs.length)));
    return b;
  }

  /**
   * {@return whether the key of this certificate has signed a message}
   *
   * @param in has R and S, 72 bytes each, little endian
   * @param at where
   */
  boolean hasSigned(byte[] message, byte[] in, int at) {
    byte[] rs = new byte[2 * EllipticKey.COORDINATE_BYTES];
    bigEndian(in, at, rs, 0);
    bigEndian(in, at + FIELD, rs, EllipticKey.COORDINATE_BYTES);
    return EllipticKey.verify(point(), message, rs);
  }

  /** {@return whether one of the signatures is by the key of another certificate} */
  public boolean signedBy(SevCertificate other) {
    for (int at : SIGNATURES) {
      if (get(bytes, at) == other.usage()
          && get(bytes, at + 4) == ECDSA_SHA256
          && other.hasSigned(Arrays.copyOf(bytes, SIGNED), bytes, at + 8)) {
        return true;
      }
    }
    return false;
  }

  /**
   * {@return a certificate from its bytes}
   *
   * @throws IllegalArgumentException if they are none with a key on P-384
   */
  public static SevCertificate parse(byte[] b) {
    if (b.length != BYTES) {
      throw new IllegalArgumentException(
          "a SEV certificate has " + BYTES + " bytes, not " + b.length);
    }
    if (get(b, 0) != 1) {
      throw new IllegalArgumentException("a SEV certificate has version 1, not " + get(b, 0));
    }
    if (get(b, KEY) != P384) {
      throw new IllegalArgumentException("the key of the SEV certificate is not on P-384");
    }
    SevCertificate c = new SevCertificate(b.clone());
    if (!EllipticKey.onCurve(c.point())) {
      throw new IllegalArgumentException("the key of the SEV certificate is not a point of P-384");
    }
    return c;
  }

  /** {@return the bytes} */
  public byte[] encode() {
    return bytes.clone();
  }

  /** {@return whether it holds a Diffie-Hellman key} */
  public boolean isDiffieHellman() {
    return usage() == Usage.PDH.code;
  }

  private int usage() {
    return get(bytes, 8);
  }

  ECPoint point() {
    return new ECPoint(number(bytes, KEY + 4), number(bytes, KEY + 4 + FIELD));
  }

  private static int get(byte[] b, int at) {
    return b[at] & 0xFF
        | (b[at + 1] & 0xFF) << 8
        | (b[at + 2] & 0xFF) << 16
        | (b[at + 3] & 0xFF) << 24;
  }

  private static void put(byte[] b, int at, int v) {
    System.arraycopy(SevCrypto.littleEndian(v), 0, b, at, 4);
  }

  private static void number(byte[] b, int at, BigInteger v) {
    byte[] big = v.toByteArray();
    for (int i = 0; i < Math.min(big.length, FIELD); i++) {
      b[at + i] = big[big.length - 1 - i];
    }
  }

  private static void bigEndian(byte[] b, int at, byte[] to, int index) {
    for (int i = 0; i < EllipticKey.COORDINATE_BYTES; i++) {
      to[index + i] = b[at + EllipticKey.COORDINATE_BYTES - 1 - i];
    }
  }

  private static BigInteger number(byte[] b, int at) {
    byte[] big = new byte[FIELD];
    for (int i = 0; i < FIELD; i++) {
      big[i] = b[at + FIELD - 1 - i];
    }
    return new BigInteger(1, big);
  }
}
