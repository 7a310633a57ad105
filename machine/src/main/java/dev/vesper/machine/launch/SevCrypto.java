package dev.vesper.machine.launch;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Arrays;
import javax.crypto.Cipher;
import javax.crypto.Mac;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/** The few constructions that the SEV API is made of (spec: launch, sections 3 to 3.2). */
final class SevCrypto {
  static final int KEY_BYTES = 16;
  private static final int MAC_BYTES = 32;

  private SevCrypto() {}

  static byte[] hmac(byte[] key, byte[]... parts) {
    return hmac("HmacSHA256", key, parts);
  }

  static byte[] hmac384(byte[] key, byte[]... parts) {
    return hmac("HmacSHA384", key, parts);
  }

  private static byte[] hmac(String algorithm, byte[] key, byte[]... parts) {
    try {
      Mac m = Mac.getInstance(algorithm);
      m.init(new SecretKeySpec(key, algorithm));
      for (byte[] p : parts) {
        m.update(p);
      }
      return m.doFinal();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime has no " + algorithm, e);
    }
  }

  static byte[] sha256(byte[]... parts) {
    return digest("SHA-256", parts);
  }

  static byte[] sha384(byte[]... parts) {
    return digest("SHA-384", parts);
  }

  private static byte[] digest(String algorithm, byte[]... parts) {
    try {
      MessageDigest d = MessageDigest.getInstance(algorithm);
      for (byte[] p : parts) {
        d.update(p);
      }
      return d.digest();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime has no " + algorithm, e);
    }
  }

  /** AES-128 in counter mode, which is its own inverse. */
  static byte[] counter(byte[] key, byte[] iv, byte[] text) {
    try {
      Cipher c = Cipher.getInstance("AES/CTR/NoPadding");
      c.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(key, "AES"), new IvParameterSpec(iv));
      return c.doFinal(text);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime has no AES-CTR", e);
    }
  }

  /**
   * NIST SP 800-108 in counter mode with HMAC-SHA-256.
   *
   * @return a key of 128 bits
   */
  static byte[] derive(byte[] key, String label, byte[] context) {
    byte[] block =
        hmac(
            key,
            littleEndian(1),
            label.getBytes(StandardCharsets.US_ASCII),
            new byte[1],
            context,
            littleEndian(8 * KEY_BYTES));
    return Arrays.copyOf(block, KEY_BYTES);
  }

  static byte[] littleEndian(int v) {
    return new byte[] {(byte) v, (byte) (v >>> 8), (byte) (v >>> 16), (byte) (v >>> 24)};
  }

  /** {@return whether two authentication codes are equal, in a time that says nothing of where} */
  static boolean same(byte[] a, byte[] b) {
    return a.length == MAC_BYTES && MessageDigest.isEqual(a, b);
  }
}
