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

  /** Encrypts a page in place. */
  void encrypt(Page p) {
    p.copyTo(0, work, 0, Page.SIZE);
    run(encrypt, work, p.frame, 0, Page.SIZE);
    p.copyFrom(0, work, 0, Page.SIZE);
  }

  /**
   * Encrypts a part of a page.
   *
   * @param to takes it at its offset in the page
   * @param start offset in the page, a multiple of 16
   * @param end offset behind it, a multiple of 16
   */
  void encrypt(Page p, byte[] to, int start, int end) {
    p.copyTo(start, to, start, end - start);
    run(encrypt, to, p.frame, start, end);
  }

  /** Decrypts a page in place. */
  void decrypt(Page p) {
    p.copyTo(0, work, 0, Page.SIZE);
    decrypt(work, p.frame);
    p.copyFrom(0, work, 0, Page.SIZE);
  }

  /** Decrypts a copy of a page in place. */
  void decrypt(byte[] page, int frame) {
    run(decrypt, page, frame, 0, Page.SIZE);
  }

  private void run(Cipher cipher, byte[] page, int frame, int start, int end) {
    try {
      int n = end - start;
      long pa = (long) frame << 12;
      for (int i = start; i < end; i += 16) {
        Page.LONG.set(t, i, pa + i);
        Page.LONG.set(t, i + 8, 0L);
      }
      tweak.doFinal(t, start, n, t, start);
      for (int i = start; i < end; i += 8) {
        Page.LONG.set(page, i, (long) Page.LONG.get(page, i) ^ (long) Page.LONG.get(t, i));
      }
      cipher.doFinal(page, start, n, page, start);
      for (int i = start; i < end; i += 8) {
        Page.LONG.set(page, i, (long) Page.LONG.get(page, i) ^ (long) Page.LONG.get(t, i));
      }
    } catch (GeneralSecurityException e) {
      throw new AssertionError("AES failed on whole blocks", e);
    }
  }
}
