package dev.vesper.machine.launch;

import java.util.Arrays;

/**
 * The session buffer of LAUNCH_START: the owner's keys, wrapped for one platform (spec: launch,
 * 3.1).
 *
 * <p>Layout, 128 bytes: NONCE 16, WRAP_TK 32, WRAP_IV 16, WRAP_MAC 32, POLICY_MAC 32.
 */
public record LaunchSession(
    byte[] nonce, byte[] wrappedKeys, byte[] iv, byte[] wrapMac, byte[] policyMac) {
  /** Bytes of the buffer. */
  public static final int BYTES = 128;

  /**
   * {@return a session from its buffer}
   *
   * @throws IllegalArgumentException if it has another size
   */
  public static LaunchSession parse(byte[] b) {
    if (b.length != BYTES) {
      throw new IllegalArgumentException(
          "a launch session has " + BYTES + " bytes, not " + b.length);
    }
    return new LaunchSession(
        Arrays.copyOfRange(b, 0, 16),
        Arrays.copyOfRange(b, 16, 48),
        Arrays.copyOfRange(b, 48, 64),
        Arrays.copyOfRange(b, 64, 96),
        Arrays.copyOfRange(b, 96, 128));
  }

  /** {@return the buffer} */
  public byte[] encode() {
    byte[] b = new byte[BYTES];
    int at = 0;
    for (byte[] part : new byte[][] {nonce, wrappedKeys, iv, wrapMac, policyMac}) {
      System.arraycopy(part, 0, b, at, part.length);
      at += part.length;
    }
    return b;
  }

  /**
   * The owner's side: wraps keys.
   *
   * @param z the secret that owner and platform share: the X coordinate of ECDH on P-384
   * @param nonce 16 fresh bytes
   * @param iv 16 fresh bytes
   */
  public static LaunchSession seal(
      byte[] z, byte[] nonce, byte[] iv, SessionKeys keys, GuestPolicy policy) {
    byte[] master = master(z, nonce);
    byte[] both = Arrays.copyOf(keys.tek(), 32);
    System.arraycopy(keys.tik(), 0, both, 16, 16);
    byte[] wrapped = SevCrypto.counter(kek(master), iv, both);
    return new LaunchSession(
        nonce,
        wrapped,
        iv,
        SevCrypto.hmac(kik(master), wrapped),
        SevCrypto.hmac(keys.tik(), SevCrypto.littleEndian(policy.bits())));
  }

  /**
   * The platform's side: unwraps the keys.
   *
   * @throws CommandFailed BAD_MEASUREMENT if the session is not for this platform, certificate and
   *     policy
   */
  public SessionKeys open(byte[] z, GuestPolicy policy) {
    byte[] master = master(z, nonce);
    if (!SevCrypto.same(wrapMac, SevCrypto.hmac(kik(master), wrappedKeys))) {
      throw new CommandFailed(
          "LAUNCH_START",
          SevStatus.BAD_MEASUREMENT,
          "the session was not made for this platform and DH certificate (WRAP_MAC differs)");
    }
    byte[] both = SevCrypto.counter(kek(master), iv, wrappedKeys);
    SessionKeys keys = new SessionKeys(Arrays.copyOf(both, 16), Arrays.copyOfRange(both, 16, 32));
    byte[] expected = SevCrypto.hmac(keys.tik(), SevCrypto.littleEndian(policy.bits()));
    if (!SevCrypto.same(policyMac, expected)) {
      throw new CommandFailed(
          "LAUNCH_START",
          SevStatus.BAD_MEASUREMENT,
          "the session was not made for policy " + policy + " (POLICY_MAC differs)");
    }
    return keys;
  }

  static byte[] master(byte[] z, byte[] nonce) {
    return SevCrypto.derive(z, "sev-master-secret", nonce);
  }

  static byte[] kek(byte[] master) {
    return SevCrypto.derive(master, "sev-kek", new byte[0]);
  }

  static byte[] kik(byte[] master) {
    return SevCrypto.derive(master, "sev-kik", new byte[0]);
  }
}
