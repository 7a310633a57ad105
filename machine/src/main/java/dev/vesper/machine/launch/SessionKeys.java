package dev.vesper.machine.launch;

import java.util.Arrays;

/**
 * The keys that an owner chooses for a launch.
 *
 * @param tek transport encryption key, 16 bytes: secrets travel under it
 * @param tik transport integrity key, 16 bytes: measurement and secrets are authenticated by it
 */
public record SessionKeys(byte[] tek, byte[] tik) {
  public SessionKeys {
    if (tek.length != SevCrypto.KEY_BYTES || tik.length != SevCrypto.KEY_BYTES) {
      throw new IllegalArgumentException("TEK and TIK have 16 bytes each");
    }
  }

  /** {@return keys that a seed decides} */
  public static SessionKeys generate(String whose, long seed) {
    byte[] d = SeededBytes.of("session keys of " + whose, seed, 2 * SevCrypto.KEY_BYTES);
    return new SessionKeys(
        Arrays.copyOf(d, SevCrypto.KEY_BYTES),
        Arrays.copyOfRange(d, SevCrypto.KEY_BYTES, 2 * SevCrypto.KEY_BYTES));
  }

  @Override
  public boolean equals(Object o) {
    return o instanceof SessionKeys k && Arrays.equals(tek, k.tek) && Arrays.equals(tik, k.tik);
  }

  @Override
  public int hashCode() {
    return 31 * Arrays.hashCode(tek) + Arrays.hashCode(tik);
  }

  /** Keys are not for logs. */
  @Override
  public String toString() {
    return "SessionKeys";
  }
}
