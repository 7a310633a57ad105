package dev.vesper.machine.launch;

import java.security.SecureRandom;
import java.util.Arrays;

/**
 * A guest's owner who prepares a launch on a platform, as {@code sevctl session} does.
 *
 * @param certificate of the owner's Diffie-Hellman key, for LAUNCH_START
 * @param session for LAUNCH_START
 * @param keys what the owner keeps
 */
public record Owner(SevCertificate certificate, LaunchSession session, SessionKeys keys) {
  /**
   * Prepares a launch.
   *
   * @param platform the certificate of its PDH
   * @param seed decides all keys
   */
  public static Owner seeded(SevCertificate platform, GuestPolicy policy, long seed) {
    EllipticKey own = EllipticKey.seeded("owner", seed);
    SessionKeys keys = SessionKeys.generate("owner", seed);
    byte[] fresh = SeededBytes.of("session", seed, 32);
    return new Owner(
        SevCertificate.of(own.point(), SevCertificate.Usage.PDH, ApiVersion.CURRENT)
            .signed(0, SevCertificate.Usage.PDH, own),
        LaunchSession.seal(
            own.agree(platform.point()),
            Arrays.copyOf(fresh, 16),
            Arrays.copyOfRange(fresh, 16, 32),
            keys,
            policy),
        keys);
  }

  /** Prepares a launch with fresh keys. */
  public static Owner fresh(SevCertificate platform, GuestPolicy policy) {
    return seeded(platform, policy, new SecureRandom().nextLong());
  }
}
