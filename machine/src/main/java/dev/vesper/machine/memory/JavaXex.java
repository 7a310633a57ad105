package dev.vesper.machine.memory;

import java.security.GeneralSecurityException;
import javax.crypto.Cipher;
import javax.crypto.spec.SecretKeySpec;

/** The cipher by what Java has. */
final class JavaXex implements XexCipher {
  private final Cipher encrypt;
  private final Cipher decrypt;
  private final Cipher tweak;
  private final byte[] t = new byte[Page.SIZE];
  private final byte[] work = new byte[Page.SIZE];

  JavaXex(byte[] dataKey, byte[] tweakKey) {
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

  @Override
  public void encrypt(long at, long pa, int blocks) {
    run(encrypt, at, pa, blocks);
  }

  @Override
  public void decrypt(long at, long pa, int blocks) {
    run(decrypt, at, pa, blocks);
  }

  private void run(Cipher cipher, long at, long pa, int blocks) {
    try {
      int n = blocks * BLOCK;
      RawMemory.copy(at, work, 0, n);
      for (int i = 0; i < n; i += BLOCK) {
        Page.LONG.set(t, i, pa + i);
        Page.LONG.set(t, i + 8, 0L);
      }
      tweak.doFinal(t, 0, n, t, 0);
      for (int i = 0; i < n; i += 8) {
        Page.LONG.set(work, i, (long) Page.LONG.get(work, i) ^ (long) Page.LONG.get(t, i));
      }
      cipher.doFinal(work, 0, n, work, 0);
      for (int i = 0; i < n; i += 8) {
        Page.LONG.set(work, i, (long) Page.LONG.get(work, i) ^ (long) Page.LONG.get(t, i));
      }
      RawMemory.copy(work, 0, at, n);
    } catch (GeneralSecurityException e) {
      throw new AssertionError("AES failed on whole blocks", e);
    }
  }
}
