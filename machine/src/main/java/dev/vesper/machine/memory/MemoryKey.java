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
    run(encrypt, from, to, frame);
  }

  void decrypt(byte[] from, byte[] to, int frame) {
    run(decrypt, from, to, frame);
  }

  private void run(Cipher cipher, byte[] from, byte[] to, int frame) {
    try {
      long pa = (long) frame << 12;
      for (int i = 0; i < Page.SIZE; i += 16) {
        Page.LONG.set(t, i, pa + i);
        Page.LONG.set(t, i + 8, 0L);
      }
      tweak.doFinal(t, 0, Page.SIZE, t, 0);
      for (int i = 0; i < Page.SIZE; i += 8) {
        Page.LONG.set(work, i, (long) Page.LONG.get(from, i) ^ (long) Page.LONG.get(t, i));
      }
      cipher.doFinal(work, 0, Page.SIZE, work, 0);
      for (int i = 0; i < Page.SIZE; i += 8) {
        Page.LONG.set(to, i, (long) Page.LONG.get(work, i) ^ (long) Page.LONG.get(t, i));
      }
    } catch (GeneralSecurityException e) {
      throw new AssertionError("AES failed on a whole page", e);
    }
  }
}
