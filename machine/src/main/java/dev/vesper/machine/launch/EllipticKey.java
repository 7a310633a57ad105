package dev.vesper.machine.launch;

import java.math.BigInteger;
import java.security.AlgorithmParameters;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.Signature;
import java.security.interfaces.ECPrivateKey;
import java.security.interfaces.ECPublicKey;
import java.security.spec.ECFieldFp;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPrivateKeySpec;
import java.security.spec.ECPublicKeySpec;
import java.util.Arrays;
import javax.crypto.KeyAgreement;
import org.jspecify.annotations.Nullable;

/**
 * A key pair on P-384 that a seed decides. Agreement and signatures are the Java runtime's; only
 * the public point, which it does not give for a chosen private key, is computed here. Not in
 * constant time: these keys protect models of guests.
 */
final class EllipticKey {
  static final int COORDINATE_BYTES = 48;

  /** Bytes of a number in keys and signatures of SEV-SNP, little endian. */
  static final int NUMBER_BYTES = 72;

  /** Bytes of a signature of SEV-SNP: R and S, then zeros. */
  static final int PADDED_BYTES = 0x200;

  private static final ECParameterSpec CURVE = curve();
  static final BigInteger ORDER = CURVE.getOrder();
  private static final BigInteger P = ((ECFieldFp) CURVE.getCurve().getField()).getP();
  private static final BigInteger A = CURVE.getCurve().getA();

  private final ECPrivateKey secret;

  /** The public point, once it has been asked for: a signature does not need it. */
  private transient @Nullable ECPoint point;

  private EllipticKey(BigInteger d) {
    try {
      secret =
          (ECPrivateKey)
              KeyFactory.getInstance("EC").generatePrivate(new ECPrivateKeySpec(d, CURVE));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime has no P-384", e);
    }
  }

  /** {@return the key pair of a purpose} */
  static EllipticKey seeded(String purpose, long seed) {
    BigInteger r = new BigInteger(1, SeededBytes.of(purpose, seed, 64));
    BigInteger most = ORDER.subtract(BigInteger.ONE);
    return new EllipticKey(r.mod(most).add(BigInteger.ONE));
  }

  /**
   * {@return the key pair of a private key}
   *
   * @throws IllegalArgumentException if it is not one of the curve
   */
  static EllipticKey of(BigInteger d) {
    if (d.signum() <= 0 || d.compareTo(ORDER) >= 0) {
      throw new IllegalArgumentException("the number is no private key of P-384");
    }
    return new EllipticKey(d);
  }

  ECPublicKey publicKey() {
    try {
      return (ECPublicKey)
          KeyFactory.getInstance("EC").generatePublic(new ECPublicKeySpec(point(), CURVE));
    } catch (GeneralSecurityException e) {
      throw new AssertionError("a point of the curve is no key", e);
    }
  }

  ECPoint point() {
    ECPoint p = point;
    if (p == null) {
      p = multiply(CURVE.getGenerator(), secret.getS());
      point = p;
    }
    return p;
  }

  /** {@return whether a point is on the curve and not at infinity} */
  static boolean onCurve(ECPoint p) {
    BigInteger x = p.getAffineX();
    BigInteger y = p.getAffineY();
    BigInteger right = x.pow(3).add(A.multiply(x)).add(CURVE.getCurve().getB()).mod(P);
    return x.compareTo(P) < 0 && y.compareTo(P) < 0 && y.pow(2).mod(P).equals(right);
  }

  /** {@return the X coordinate that both sides of a key agreement find, 48 bytes} */
  byte[] agree(ECPoint other) {
    try {
      KeyAgreement a = KeyAgreement.getInstance("ECDH");
      a.init(secret);
      a.doPhase(
          KeyFactory.getInstance("EC").generatePublic(new ECPublicKeySpec(other, CURVE)), true);
      return a.generateSecret();
    } catch (GeneralSecurityException e) {
      throw new AssertionError("ECDH with a point of the curve failed", e);
    }
  }

  /** {@return an ECDSA signature over SHA-256: R and S, 48 bytes each, big endian} */
  byte[] sign(byte[] message) {
    try {
      Signature s = Signature.getInstance("SHA256withECDSAinP1363Format");
      s.initSign(secret);
      s.update(message);
      return s.sign();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime has no ECDSA", e);
    }
  }

  /**
   * {@return an ECDSA signature over SHA-384 that the message alone decides (RFC 6979): R and S, 48
   * bytes each, big endian}
   */
  byte[] signSha384(byte[] message) {
    BigInteger n = ORDER;
    byte[] hash = SevCrypto.sha384(message);
    byte[] key = fixed(secret.getS());
    byte[] reduced = fixed(new BigInteger(1, hash).mod(n));
    byte[] v = new byte[COORDINATE_BYTES];
    Arrays.fill(v, (byte) 1);
    byte[] k = SevCrypto.hmac384(new byte[COORDINATE_BYTES], v, new byte[] {0}, key, reduced);
    v = SevCrypto.hmac384(k, v);
    k = SevCrypto.hmac384(k, v, new byte[] {1}, key, reduced);
    v = SevCrypto.hmac384(k, v);
    while (true) {
      v = SevCrypto.hmac384(k, v);
      BigInteger nonce = new BigInteger(1, v);
      if (nonce.signum() > 0 && nonce.compareTo(n) < 0) {
        BigInteger r = multiply(CURVE.getGenerator(), nonce).getAffineX().mod(n);
        BigInteger s =
            nonce
                .modInverse(n)
                .multiply(new BigInteger(1, hash).add(secret.getS().multiply(r)))
                .mod(n);
        if (r.signum() > 0 && s.signum() > 0) {
          byte[] out = Arrays.copyOf(fixed(r), 2 * COORDINATE_BYTES);
          System.arraycopy(fixed(s), 0, out, COORDINATE_BYTES, COORDINATE_BYTES);
          return out;
        }
      }
      k = SevCrypto.hmac384(k, v, new byte[] {0});
      v = SevCrypto.hmac384(k, v);
    }
  }

  /** {@return the same signature as SEV-SNP writes it, in 512 bytes} */
  byte[] signPadded(byte[] message) {
    byte[] rs = signSha384(message);
    byte[] b = new byte[PADDED_BYTES];
    put(b, 0, new BigInteger(1, Arrays.copyOf(rs, COORDINATE_BYTES)));
    put(b, NUMBER_BYTES, new BigInteger(1, Arrays.copyOfRange(rs, COORDINATE_BYTES, rs.length)));
    return b;
  }

  /** {@return whether 512 bytes are a key's signature over SHA-384} */
  static boolean verifyPadded(ECPoint key, byte[] message, byte[] padded) {
    BigInteger r = get(padded, 0);
    BigInteger s = get(padded, NUMBER_BYTES);
    if (Math.max(r.bitLength(), s.bitLength()) > 8 * COORDINATE_BYTES) {
      return false;
    }
    for (int i = 2 * NUMBER_BYTES; i < PADDED_BYTES; i++) {
      if (padded[i] != 0) {
        return false;
      }
    }
    byte[] rs = Arrays.copyOf(fixed(r), 2 * COORDINATE_BYTES);
    System.arraycopy(fixed(s), 0, rs, COORDINATE_BYTES, COORDINATE_BYTES);
    return verifySha384(key, message, rs);
  }

  /** Writes a number of at most 384 bits, little endian, where its 72 bytes are zero. */
  static void put(byte[] b, int at, BigInteger v) {
    byte[] big = fixed(v);
    for (int i = 0; i < big.length; i++) {
      b[at + i] = big[big.length - 1 - i];
    }
  }

  /** {@return a number of 72 bytes, little endian} */
  static BigInteger get(byte[] b, int at) {
    byte[] big = new byte[NUMBER_BYTES];
    for (int i = 0; i < NUMBER_BYTES; i++) {
      big[i] = b[at + NUMBER_BYTES - 1 - i];
    }
    return new BigInteger(1, big);
  }

  /** {@return a number in 48 bytes, big endian} */
  private static byte[] fixed(BigInteger v) {
    byte[] b = v.toByteArray();
    byte[] out = new byte[COORDINATE_BYTES];
    int n = Math.min(b.length, out.length);
    System.arraycopy(b, b.length - n, out, out.length - n, n);
    return out;
  }

  /** {@return whether a signature over SHA-256 is that of a key} */
  static boolean verify(ECPoint key, byte[] message, byte[] signature) {
    return verify("SHA256withECDSAinP1363Format", key, message, signature);
  }

  /** {@return whether a signature over SHA-384 is that of a key} */
  static boolean verifySha384(ECPoint key, byte[] message, byte[] signature) {
    return verify("SHA384withECDSAinP1363Format", key, message, signature);
  }

  private static boolean verify(String algorithm, ECPoint key, byte[] message, byte[] signature) {
    try {
      Signature s = Signature.getInstance(algorithm);
      s.initVerify(KeyFactory.getInstance("EC").generatePublic(new ECPublicKeySpec(key, CURVE)));
      s.update(message);
      return s.verify(signature);
    } catch (GeneralSecurityException e) {
      return false;
    }
  }

  private static ECParameterSpec curve() {
    try {
      AlgorithmParameters a = AlgorithmParameters.getInstance("EC");
      a.init(new ECGenParameterSpec("secp384r1"));
      return a.getParameterSpec(ECParameterSpec.class);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime has no P-384", e);
    }
  }

  private static ECPoint multiply(ECPoint p, BigInteger n) {
    ECPoint sum = null;
    for (int i = n.bitLength() - 1; i >= 0; i--) {
      sum = sum == null ? null : add(sum, sum);
      if (n.testBit(i)) {
        sum = sum == null ? p : add(sum, p);
      }
    }
    if (sum == null) {
      throw new IllegalArgumentException("a private key is not 0");
    }
    return sum;
  }

  private static @Nullable ECPoint add(ECPoint p, ECPoint q) {
    BigInteger x = p.getAffineX();
    BigInteger y = p.getAffineY();
    BigInteger slope;
    if (x.equals(q.getAffineX())) {
      if (!y.equals(q.getAffineY())) {
        return null;
      }
      BigInteger three = BigInteger.valueOf(3);
      slope = x.pow(2).multiply(three).add(A).multiply(y.shiftLeft(1).modInverse(P));
    } else {
      slope = q.getAffineY().subtract(y).multiply(q.getAffineX().subtract(x).modInverse(P));
    }
    BigInteger sumX = slope.pow(2).subtract(x).subtract(q.getAffineX()).mod(P);
    return new ECPoint(sumX, slope.multiply(x.subtract(sumX)).subtract(y).mod(P));
  }
}
