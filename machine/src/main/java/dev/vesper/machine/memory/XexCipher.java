package dev.vesper.machine.memory;

/**
 * AES-128 in XEX mode over memory outside the Java heap: blocks of sixteen bytes, tweaked by the
 * system physical address that they have (spec: sev-es-architecture 4.2).
 *
 * <p>{@code C = E(P ^ T(pa)) ^ T(pa)} with {@code T(pa) = E'(pa)} under a second key, so equal
 * plaintext at two addresses differs and moved ciphertext decrypts to noise.
 */
public interface XexCipher {
  /** Bytes that are encrypted together. */
  int BLOCK = 16;

  /**
   * Encrypts blocks in place.
   *
   * @param at where they are in the computer's memory
   * @param pa the address that the first is tweaked by
   * @param blocks how many
   */
  void encrypt(long at, long pa, int blocks);

  /** Decrypts blocks in place; see {@link #encrypt}. */
  void decrypt(long at, long pa, int blocks);

  /** Makes ciphers. */
  interface Maker {
    /**
     * {@return a cipher}
     *
     * @param dataKey sixteen bytes
     * @param tweakKey sixteen bytes
     */
    XexCipher make(byte[] dataKey, byte[] tweakKey);
  }
}
