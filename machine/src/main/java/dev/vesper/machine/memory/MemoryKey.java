package dev.vesper.machine.memory;

import java.security.GeneralSecurityException;
import javax.crypto.Cipher;
import javax.crypto.spec.SecretKeySpec;

/**
 * A guest's memory encryption key: AES-128 in XEX mode, sixteen-byte blocks, tweaked by the system
 * physical address (spec: sev-es-architecture 4.2).
 *
 * <p>{@code C = E(P ^ T(pa)) ^ T(pa)} with {@code T(pa) = E'(pa)} under a second key, so equal
 * plaintext at two addresses differs and moved ciphertext decrypts to noise.
 */
final class MemoryKey {
  private final Cipher encrypt;
  private final Cipher decrypt;
  private final Cipher tweak;
  private final byte[] t = new byte[Page.SIZE];
  private final byte[] work = new byte[Page.SIZE];

  MemoryKey(byte[] dataKey, byte[] tweakKey) {
    encrypt = aes(Cipher.ENCRYPT_MODE, dataKey);
    decrypt = aes(Cipher.DECRYPT_MODE, dataKey);
    tweak = aes(Cipher.ENCRYPT_MODE, tweakKey);
  }

  private static Cipher aes(int mode, byte[] key) {
    try {
      Cipher c = Cipher.getInstance("AES/ECB/NoPadding");
      c.init(mode, new SecretKeySpec(key, "AES"));
      return c;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime has no AES", e);
    }
  }

  void encrypt(byte[] from, byte[] to, int frame) {
    run(encrypt, from, to, frame, 0, Page.SIZE);
  }

  /**
   * Encrypts a part of a page.
   *
   * @param start offset in the page and in both arrays, a multiple of 16
   * @param end offset behind it, a multiple of 16
   */
  void encrypt(byte[] from, byte[] to, int frame, int start, int end) {
    run(encrypt, from, to, frame, start, end);
  }

  void decrypt(byte[] from, byte[] to, int frame) {
    run(decrypt, from, to, frame, 0, Page.SIZE);
  }

  private void run(Cipher cipher, byte[] from, byte[] to, int frame, int start, int end) {
    try {
      int n = end - start;
      long pa = (long) frame << 12;
      for (int i = start; i < end; i += 16) {
        Page.LONG.set(t, i, pa + i);
        Page.LONG.set(t, i + 8, 0L);
      }
      tweak.doFinal(t, start, n, t, start);
      for (int i = start; i < end; i += 8) {
        Page.LONG.set(work, i, (long) Page.LONG.get(from, i) ^ (long) Page.LONG.get(t, i));
      }
      cipher.doFinal(work, start, n, work, start);
      for (int i = start; i < end; i += 8) {
        Page.LONG.set(to, i, (long) Page.LONG.get(work, i) ^ (long) Page.LONG.get(t, i));
      }
    } catch (GeneralSecurityException e) {
      throw new AssertionError("AES failed on whole blocks", e);
    }
  }
}
