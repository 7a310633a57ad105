package dev.vesper.machine.cpu.emit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.vesper.machine.memory.LazyMemory;
import dev.vesper.machine.memory.RawMemory;
import dev.vesper.machine.memory.XexCipher;
import java.lang.foreign.MemorySegment;
import java.security.GeneralSecurityException;
import java.util.Objects;
import java.util.Random;
import javax.crypto.Cipher;
import javax.crypto.spec.SecretKeySpec;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The cipher of AES instructions against Java's AES, block by block. */
final class NativeXexTest {
  private static final int BYTES = 4096;

  private final Random random = new Random(9);
  private final MemorySegment memory = LazyMemory.map(BYTES);

  @BeforeEach
  void needsAesInstructions() {
    assumeTrue(NativeXex.maker() != null);
  }

  private byte[] random(int bytes) {
    byte[] b = new byte[bytes];
    random.nextBytes(b);
    return b;
  }

  private static byte[] aes(byte[] key, byte[] block) throws GeneralSecurityException {
    Cipher c = Cipher.getInstance("AES/ECB/NoPadding");
    c.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(key, "AES"));
    return c.doFinal(block);
  }

  private static byte[] xor(byte[] a, byte[] b) {
    byte[] c = new byte[a.length];
    for (int i = 0; i < c.length; i++) {
      c[i] = (byte) (a[i] ^ b[i]);
    }
    return c;
  }

  @Test
  void encryptsAsTheDefinitionSaysAndBack() throws GeneralSecurityException {
    XexCipher.Maker maker = Objects.requireNonNull(NativeXex.maker());
    for (int round = 0; round < 60; round++) {
      byte[] dataKey = random(16);
      byte[] tweakKey = random(16);
      XexCipher cipher = maker.make(dataKey, tweakKey);
      int blocks = round < 12 ? round : round == 12 ? BYTES / 16 : random.nextInt(BYTES / 16 + 1);
      long pa = random.nextLong() >>> 16 & -16L;
      byte[] plain = random(BYTES);
      RawMemory.copy(plain, 0, memory.address(), BYTES);
      cipher.encrypt(memory.address(), pa, blocks);
      byte[] secret = new byte[BYTES];
      RawMemory.copy(memory.address(), secret, 0, BYTES);
      byte[] want = plain.clone();
      for (int i = 0; i < blocks; i++) {
        byte[] address = new byte[16];
        for (int k = 0; k < 8; k++) {
          address[k] = (byte) (pa + 16L * i >>> 8 * k);
        }
        byte[] tweak = aes(tweakKey, address);
        byte[] block = java.util.Arrays.copyOfRange(plain, 16 * i, 16 * i + 16);
        System.arraycopy(xor(aes(dataKey, xor(block, tweak)), tweak), 0, want, 16 * i, 16);
      }
      assertThat(secret).as("%d blocks at %x", blocks, pa).isEqualTo(want);
      cipher.decrypt(memory.address(), pa, blocks);
      RawMemory.copy(memory.address(), secret, 0, BYTES);
      assertThat(secret).as("%d blocks at %x and back", blocks, pa).isEqualTo(plain);
    }
  }
}
