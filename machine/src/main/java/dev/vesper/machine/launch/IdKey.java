package dev.vesper.machine.launch;

import java.math.BigInteger;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.interfaces.ECPrivateKey;
import java.security.spec.ECPoint;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A private key on P-384 by which an owner signs an {@link IdBlock}, or the key that signs one. */
public final class IdKey {
  private static final Pattern PEM =
      Pattern.compile("-----BEGIN (EC )?PRIVATE KEY-----([^-]*)-----END (EC )?PRIVATE KEY-----");

  private final EllipticKey key;

  private IdKey(EllipticKey key) {
    this.key = key;
  }

  /**
   * {@return the key of a number}
   *
   * @throws IllegalArgumentException if it is no private key
   */
  public static IdKey of(BigInteger d) {
    return new IdKey(EllipticKey.of(d));
  }

  /**
   * {@return the key of a PEM text, in the form of PKCS #8 or of RFC 5915, as openssl writes both}
   *
   * @throws IllegalArgumentException if it holds none of P-384
   */
  public static IdKey parse(String pem) {
    Matcher m = PEM.matcher(pem);
    if (!m.find()) {
      throw new IllegalArgumentException("it holds no private key in PEM form");
    }
    byte[] der = Base64.getMimeDecoder().decode(m.group(2));
    return of(m.group(1) == null ? pkcs8(der) : rfc5915(der));
  }

  private static BigInteger pkcs8(byte[] der) {
    try {
      ECPrivateKey k =
          (ECPrivateKey) KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(der));
      if (k.getParams().getOrder().bitLength() == 8 * EllipticKey.COORDINATE_BYTES) {
        return k.getS();
      }
    } catch (GeneralSecurityException e) {
      // no key of an elliptic curve
    }
    throw new IllegalArgumentException("its key is not one of P-384");
  }

  /** SEQUENCE, INTEGER 1, then OCTET STRING: the number. */
  private static BigInteger rfc5915(byte[] der) {
    int head = der.length > 1 && (der[1] & 0x80) != 0 ? 2 + (der[1] & 0x7F) : 2;
    byte[] expected = {2, 1, 1, 4, EllipticKey.COORDINATE_BYTES};
    int number = head + expected.length;
    if (der.length < number + EllipticKey.COORDINATE_BYTES
        || !Arrays.equals(der, head, number, expected, 0, expected.length)) {
      throw new IllegalArgumentException("its key is not one of P-384");
    }
    return new BigInteger(
        1, Arrays.copyOfRange(der, number, number + EllipticKey.COORDINATE_BYTES));
  }

  /** {@return the public key as {@link IdAuthentication} has it} */
  byte[] encode() {
    byte[] b = new byte[IdAuthentication.KEY_BYTES];
    LittleEndian.put32(b, 0, IdAuthentication.P384);
    ECPoint q = key.point();
    EllipticKey.put(b, 4, q.getAffineX());
    EllipticKey.put(b, 4 + EllipticKey.NUMBER_BYTES, q.getAffineY());
    return b;
  }

  /** {@return a signature as {@link IdAuthentication} has it} */
  byte[] sign(byte[] message) {
    return key.signPadded(message);
  }
}
